"""The command line that makes a run again."""

import shlex
from dataclasses import replace
from typing import Any

from qdfool.build import is_known, with_defaults
from qdfool.config import BUDGET, KEEPING, Config, flat, needs_objects, option
from qdfool.presets import PRESETS


def command_of(config: Config, image_shape: tuple[int, int, int]) -> str:
    """The command line that makes a run again, with the settings in which it is not its preset; empty where no command
    can, because it has objects that only Python can give, or no budget.

    Args:
        config: of the run, with all that it left open.
        image_shape: of the classifier.
    """
    if needs_objects(config) or not is_known(config.classifier) or not any(_budget(config).values()):
        return ""
    name = config.preset if config.preset in PRESETS else "mnist-direct"
    usual = PRESETS[name][1]
    wanted, given = flat(config), flat(usual)
    differing = [
        setting
        for setting in wanted
        if wanted[setting] != given[setting] and setting not in ("preset", *BUDGET, *KEEPING)
    ]
    followed = flat(with_defaults(_left_open(config, given), image_shape))
    words = ["python", "-m", "qdfool.run", name]
    for setting in differing:
        if given[setting] is not None or followed[setting] != wanted[setting]:
            words += _typed(setting, wanted[setting])
    if _budget(config) != _budget(usual):
        for setting, value in _budget(config).items():
            words += [] if value is None else _typed(setting, value)
    return shlex.join(words)


def _budget(config: Config) -> dict[str, Any]:
    return {name: getattr(config, name) for name in BUDGET}


def _left_open(config: Config, given: dict[str, Any]) -> Config:
    """The config with all that its preset leaves open left open again, to see what follows."""
    for setting, value in given.items():
        if value is None and setting not in BUDGET:
            group, _, last = setting.rpartition(".")
            if group:
                config = replace(config, **{group: replace(getattr(config, group), **{last: None})})
            else:
                config = replace(config, **{last: None})
    return config


def _typed(setting: str, value: Any) -> list[str]:
    """A setting as its option is typed."""
    if isinstance(value, bool):
        group, _, last = setting.rpartition(".")
        return [option(setting) if value else option(f"{group}.no_{last}" if group else f"no_{last}")]
    values = value if isinstance(value, tuple) else (value,)
    return [option(setting), *map(str, values)]
