"""qdfool finds images of nothing that a classifier is certain of.

MAP-Elites in JAX: images are evolved on the device, every child competes for every class, and the winners
live in a pyribs archive. Start with `evolve(preset("mnist-direct"))`, or `python -m qdfool.run`.
"""

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
