"""qdfool finds images of nothing that a classifier is certain of.

MAP-Elites in JAX: images are evolved on the device, every child competes for every class, and the winners
live in a pyribs archive. Start with `evolve(preset("mnist-direct"))`, or `python -m qdfool.run`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qdfool.api import AskTell, evolve, resume, resume_seeds
    from qdfool.classifiers.torch_adapter import from_torch
    from qdfool.config import (
        BlackPixels,
        Config,
        Cppn,
        Crossover,
        Emitters,
        EvolutionStrategy,
        GradientArborescence,
        GradientAscent,
        Mutation,
        Selection,
    )
    from qdfool.errors import InputError
    from qdfool.presets import preset
    from qdfool.results.loading import load
    from qdfool.results.result import Result
    from qdfool.types import Classifier, Elites, Emitter, Encoding, Measure, Outcome

__all__ = [
    "AskTell",
    "BlackPixels",
    "Classifier",
    "Config",
    "Cppn",
    "Crossover",
    "Elites",
    "Emitter",
    "Emitters",
    "Encoding",
    "EvolutionStrategy",
    "GradientArborescence",
    "GradientAscent",
    "InputError",
    "Measure",
    "Mutation",
    "Outcome",
    "Result",
    "Selection",
    "evolve",
    "from_torch",
    "load",
    "preset",
    "resume",
    "resume_seeds",
]

_MODULES = {
    "api": ("AskTell", "evolve", "resume", "resume_seeds"),
    "classifiers.torch_adapter": ("from_torch",),
    "config": (
        "BlackPixels",
        "Config",
        "Cppn",
        "Crossover",
        "Emitters",
        "EvolutionStrategy",
        "GradientArborescence",
        "GradientAscent",
        "Mutation",
        "Selection",
    ),
    "errors": ("InputError",),
    "presets": ("preset",),
    "results.loading": ("load",),
    "results.result": ("Result",),
    "types": ("Classifier", "Elites", "Emitter", "Encoding", "Measure", "Outcome"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports what is asked for only now: JAX takes a second, and a command line has to be ready for Ctrl-C before."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
