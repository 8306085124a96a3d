"""How many devices share a batch: whether there are so many, and whether the config's parts can be shared."""

from collections.abc import Callable
from dataclasses import replace

import jax

from qdfool import hosts
from qdfool.build.emitters import EMITTERS
from qdfool.build.reference import is_reference
from qdfool.build.target import Target, here
from qdfool.config import Config, name_of
from qdfool.engine.sharding import Shares
from qdfool.errors import InputError, listed

FARTHEST = 1 << 12
"""Beyond which no nearest number is looked for."""


def with_devices(config: Config) -> Config:
    """The config with the devices of all processes, where there are several: none can stay outside.

    Raises:
        InputError: it wants others.
    """
    if hosts.count() == 1:
        return config
    there = jax.device_count()
    if config.devices not in (1, there):
        raise InputError(
            f"`devices` must be {there:,}, which are those of all {hosts.count():,} processes, or left away; got "
            f"{config.devices:,}."
        )
    return replace(config, devices=there)


def build_shares(config: Config) -> Shares:
    """Which children of a batch are on which device.

    The batch size is chosen; what there is of devices is not looked at.
    """
    blocks = _blocks(config, config.batch_size)
    return Shares(
        config.devices, tuple(size // count for size, count in blocks for _ in range(count) if size)
    )


def check_devices(config: Config, traceable: bool, target: Target | None = None) -> None:
    """Checks that the devices of a config are there, and that what is to be shared among them can be.

    Args:
        config: its batch size is chosen, and nothing else left open.
        traceable: whether JAX can trace the classifier.
        target: the devices that there are; those that are here without it.

    Raises:
        InputError: there are fewer devices, the batch or the populations of an emitter do not divide, or an emitter or
            the classifier cannot be shared.
    """
    devices = config.devices
    if devices == 1:
        return
    alone = (
        "`devices` must be 1" if hosts.count() == 1 else f"There must be one process, not {hosts.count():,},"
    )
    target = target or here()
    there, platform = target.devices or jax.device_count(), target.platform
    if devices > there:
        more = (
            f" On a CPU, XLA_FLAGS=--xla_force_host_platform_device_count={devices} in the environment makes it as "
            "many, for a trial."
            if platform == "cpu"
            else ""
        )
        raise InputError(
            f"`devices` must be at most {there:,}, which is what JAX finds here ({platform}); got {devices:,}. Give "
            f"{there:,}: a run that had more goes on with fewer.{more}"
        )
    if not traceable:
        raise InputError(
            f"{alone} where the classifier is called from the host, because JAX cannot trace it; got "
            f"{devices:,}. Give the classifier as a function of JAX arrays."
        )
    emitters = config.emitters
    used = zip(emitters.operators, emitters.shares or (1,) * len(emitters.operators), strict=True)
    own = [part for part, share in used if share and (not isinstance(part, str) or is_reference(part))]
    if own:
        raise InputError(
            f"{alone} with the emitter {listed(map(name_of, own))}, whose memory is of a whole batch; got "
            f"{devices:,}. Emitters whose children devices can share: {', '.join(EMITTERS)}."
        )
    lengths, several = config.gradient_ascent.lengths, {*map(name_of, emitters.operators)}
    if emitters.turns is not None and lengths > 1 and len(several) > 1 and "gradient_ascent" in several:
        others = sorted(several - {"gradient_ascent"})
        raise InputError(
            f"{alone} where `emitters.turns` has gradient_ascent take turns with {listed(others)} and "
            f"`gradient_ascent.lengths` is {lengths}: their children lie in other rows. Give a length of 1, or "
            "one device."
        )
    if not _divides(config, config.batch_size):
        _refuse_batch(config)
    for operator, size in zip(emitters.operators, emitters.sizes(config.batch_size), strict=True):
        if operator == "evolution_strategy" and size:
            _check_strategies(config, size)
        if operator == "gradient_arborescence" and size:
            _check_points(config, size)


def _blocks(config: Config, batch_size: int) -> tuple[tuple[int, int], ...]:
    """Of each emitter its children, and the blocks of rows that they are: of a way uphill one for each length. Those
    that take turns have the same rows, in the same blocks (`check_devices`)."""
    operators, lengths = config.emitters.operators, config.gradient_ascent.lengths
    blocks = [lengths if operator == "gradient_ascent" else 1 for operator in operators]
    if config.emitters.turns is not None:
        return ((batch_size, max(blocks)),)
    return tuple(zip(config.emitters.sizes(batch_size), blocks, strict=True))


def _divides(config: Config, batch_size: int) -> bool:
    return not any(size % (blocks * config.devices) for size, blocks in _blocks(config, batch_size))


def _refuse_batch(config: Config) -> None:
    batch, devices = config.batch_size, config.devices
    sizes = config.emitters.sizes(batch)
    of = (
        ""
        if len(sizes) == 1
        else f" into the emitters' {listed(map(str, sizes), len(sizes))}, and each of those"
    )
    raise InputError(
        f"`batch_size` must divide{of} among {devices:,} `devices`; got {batch:,}."
        + _nearest(batch, lambda size: _divides(config, size), otherwise="`emitters.shares`")
    )


def _check_strategies(config: Config, size: int) -> None:
    """Checks that each device has as many whole strategies of an emitter with so many children."""
    devices, strategies = config.devices, config.evolution_strategy.strategies
    if strategies % devices:
        raise InputError(
            f"`evolution_strategy.strategies` must divide among {devices:,} `devices`, and the emitter's {size:,} "
            f"children into populations of two or more; got {strategies:,}."
            + _nearest(
                strategies,
                lambda count: not count % devices and not size % count and size // count > 1,
                otherwise="`batch_size`",
            )
        )


def _check_points(config: Config, size: int) -> None:
    """Checks that each device has as many whole points of an emitter with so many children."""
    devices, settings = config.devices, config.gradient_arborescence
    population, least = settings.population, 2 if settings.coefficients == "adapted" else 1
    assert population is not None  # with_defaults
    if size % (population * devices):
        raise InputError(
            f"`gradient_arborescence.population` must divide the emitter's {size:,} children into points that divide "
            f"among {devices:,} `devices`; got {population:,}."
            + _nearest(
                population,
                lambda count: not size % (count * devices) and count >= least,
                otherwise="`batch_size`",
            )
        )


def _nearest(number: int, works: Callable[[int], bool], otherwise: str) -> str:
    """A sentence with the nearest numbers from 1 on that work, or with what to change where there is none."""
    below, above = range(number, max(0, number - FARTHEST), -1), range(number, number + FARTHEST)
    found = (next(filter(works, side), None) for side in (below, above))
    nearest = " or ".join(f"{other:,}" for other in found if other is not None)
    return f" The nearest that do: {nearest}." if nearest else f" Change {otherwise}."
