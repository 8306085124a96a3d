"""Settings as named values: to and from JSON, one config over another, and in what two differ."""

import dataclasses
import difflib
import json
import typing
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from numbers import Integral, Real
from typing import Any

from qdfool.config.kinds import check_kind, kinds_of
from qdfool.config.objects import name_of, reference_to
from qdfool.config.settings import BUDGET, KEEPING, Config
from qdfool.errors import InputError, shown
from qdfool.types import Encoding

OBJECT = "object"
"""Key under which JSON has the name of an object that cannot be imported again."""
RENAMED = {"objective": {"whole": "full-image"}}
"""Values of settings that a former version wrote, and what they are called now."""


def setting_names() -> tuple[str, ...]:
    """Every setting by its dotted name, as `mutation.rate`."""
    return _names(Config, "")


def option(setting: str) -> str:
    """`mutation.halve_every` as the command line takes it: --mutation.halve-every."""
    return "--" + setting.replace("_", "-")


@cache
def _names(group: type, path: str) -> tuple[str, ...]:
    names: list[str] = []
    for name, kind in kinds_of(group).items():
        names += _names(kind, f"{path}{name}.") if dataclasses.is_dataclass(kind) else (f"{path}{name}",)
    return tuple(names)


def to_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts, tuples, numbers and names, ready for JSON.

    An object of the user's own is written as the `module:attribute` that it can be imported by again, else as
    {"object": NAME}.
    """
    return _written(config)


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_written, value))
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if dataclasses.is_dataclass(value) and type(value) in _groups():
        return {field.name: _written(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return reference_to(value) or {OBJECT: name_of(value)}


@cache
def _groups() -> frozenset[type]:
    return frozenset({Config, *filter(dataclasses.is_dataclass, kinds_of(Config).values())})


def flat(config: Config) -> dict[str, Any]:
    """Every setting by its dotted name, as `to_dict` has it."""
    written, values = to_dict(config), {}
    for setting in setting_names():
        value: Any = written
        for part in setting.split("."):
            value = value[part]
        values[setting] = value
    return values


def lasting_settings(config: Config) -> dict[str, Any]:
    """The settings that a run has for good, by their dotted names, as JSON has them: all but its budget, how it is kept
    and what its classifier is called, and but objects of the user's own."""
    left_out = (*BUDGET, *KEEPING, "preset", "classifier", "weights")
    settings = {name: value for name, value in flat(config).items() if name not in left_out}
    return json.loads(json.dumps({name: value for name, value in settings.items() if not _has_object(value)}))


def needs_objects(config: Config) -> bool:
    """Whether the config holds an object that cannot be imported again, so that `from_dict` must be given it."""
    return _has_object(to_dict(config))


def _has_object(written: Any) -> bool:
    if isinstance(written, dict):
        return written.keys() == {OBJECT} or any(map(_has_object, written.values()))
    return isinstance(written, tuple) and any(map(_has_object, written))


def from_dict(values: Any, objects: Config | None = None) -> Config:
    """The config that `to_dict` wrote, whether or not it went through JSON.

    Args:
        values: what `to_dict` returned; what a former version lacks has its default.
        objects: a config that has the objects which cannot be imported again, at the same settings; operators that it
            leaves open are those of its encoding, where that is an object.

    Raises:
        InputError: a setting that no config has, one of the wrong kind, or an object that `objects` lacks.
    """
    if isinstance(values, Mapping):
        values = {
            name: RENAMED[name].get(value, value) if name in RENAMED and isinstance(value, str) else value
            for name, value in values.items()
        }
    if objects is not None and not isinstance(objects, Config):
        raise InputError(f"`config` must be the qdfool.Config that the run began with; got {shown(objects)}.")
    return _over(Config(), values, None if objects is None else _with_operators(objects), "")


def _with_operators(config: Config) -> Config:
    """With those of an encoding of the user's own where it leaves them open, as a run has them."""
    encoding, mutation, crossover = config.encoding, config.mutation, config.crossover
    if not isinstance(encoding, Encoding):
        return config
    if mutation.operators is None:
        mutation = replace(mutation, operators=encoding.mutations)
    if crossover.operators is None:
        crossover = replace(crossover, operators=encoding.crossovers)
    return replace(config, mutation=mutation, crossover=crossover)


def override(config: Config, given: Mapping[str, Any]) -> Config:
    """A config with the settings that are given, as nested dicts, in place of its own.

    A budget that is given replaces the whole budget of the config: `evaluations=1000` over 200 generations are
    1,000 evaluations.

    Raises:
        InputError: a setting that no config has, or one of the wrong kind.
    """
    changed = _over(config, given, None, "")
    if any(name in given for name in BUDGET):
        changed = replace(changed, **{name: given.get(name) for name in BUDGET})
    return changed


def _over(group: Any, values: Any, objects: Any, path: str) -> Any:
    """A group of settings with some in place of its own; `objects` is the same group of another config."""
    if not isinstance(values, Mapping):
        named = f"`{path[:-1]}`" if path else "A config"
        raise InputError(f"{named} must be a group of settings, a dict; got {shown(values)}.")
    kinds, changed = kinds_of(type(group)), {}
    for name, value in values.items():
        setting = f"{path}{name}"
        if name not in kinds:
            raise InputError(_unknown(setting, path))
        there = getattr(objects, name, None)
        if dataclasses.is_dataclass(kinds[name]):
            if not isinstance(value, typing.cast(type, kinds[name])):
                value = _over(getattr(group, name), value, there, f"{setting}.")
        else:
            value = _read(setting, value, there if isinstance(there, tuple) else (there,))
            check_kind(setting, value, kinds[name])
        changed[name] = value
    return replace(group, **changed)


def _read(setting: str, value: Any, objects: tuple[Any, ...]) -> Any:
    """A value as a config has it: lists are tuples, named objects themselves."""
    if isinstance(value, list | tuple):
        # By position where there are as many, so that two of one name are told apart.
        among = [(found,) for found in objects] if len(objects) == len(value) else [objects] * len(value)
        return tuple(_read(setting, part, found) for part, found in zip(value, among, strict=True))
    if not isinstance(value, dict) or value.keys() != {OBJECT}:
        return value
    for found in objects:
        if found is not None and not isinstance(found, str) and name_of(found) == value[OBJECT]:
            return found
    raise InputError(
        f"`{setting}` was the object {shown(value[OBJECT])}, which no module can be asked for by name. Give it "
        "from Python, in a config that has it at this setting: qdfool.resume(..., config=...), or qdfool.load."
    )


def _unknown(setting: str, path: str) -> str:
    names, last = setting_names(), setting.rpartition(".")[2]
    if setting in names:  # Not nested, but with a dot, as the command line has it.
        group = setting.removesuffix(f".{last}")
        return (
            f"Expected the setting {shown(setting)} in a dict of its group, {{{group!r}: {{{last!r}: ...}}}}."
        )
    beside = [name for name in names if name.startswith(path)]
    if not path:  # A group by its own name alone, or the list would be a page.
        beside = list(dict.fromkeys(name.partition(".")[0] for name in names))
    nearest = difflib.get_close_matches(setting, beside, n=1, cutoff=0.5)
    elsewhere = [name for name in names if name.rpartition(".")[2] == last]
    hint = f" Did you mean `{(elsewhere or nearest)[0]}`?" if elsewhere or nearest else ""
    return f"Unknown setting {shown(setting)}.{hint} Known: {', '.join(beside)}."


def contradictions(saved: Config, given: Config, ignoring: tuple[str, ...] = ()) -> list[str]:
    """The settings in which a config that is given contradicts a saved one, as `name: saved -> given`. What it leaves
    at its default, or open, contradicts nothing."""
    there, here, usual = flat(saved), flat(given), flat(Config())
    return [
        f"{name}: {shown(there[name])} -> {shown(value)}"
        for name, value in here.items()
        if name not in ignoring and value is not None and value not in (there[name], usual[name])
    ]


def differences(first: Config, second: Config, ignoring: tuple[str, ...] = ()) -> list[str]:
    """The settings in which two configs differ, as `name: first -> second`."""
    return _differences(to_dict(first), to_dict(second), ignoring, "")


def _differences(
    first: dict[str, Any], second: dict[str, Any], ignoring: tuple[str, ...], path: str
) -> list[str]:
    found = []
    for name, value in first.items():
        if name in ignoring:
            continue
        if isinstance(value, dict) and isinstance(second[name], dict) and value.keys() != {OBJECT}:
            found += _differences(value, second[name], (), f"{path}{name}.")
        elif value != second[name]:
            found.append(f"{path}{name}: {shown(value)} -> {shown(second[name])}")
    return found
