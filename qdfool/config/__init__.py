"""The settings of a run: what they are, which values they may have, and how they are written, read and changed."""

from qdfool.config.charges import Charges
from qdfool.config.objects import name_of, reference_to
from qdfool.config.seeds import check_seeds, seeds_of_text
from qdfool.config.settings import (
    BUDGET,
    KEEPING,
    BlackPixels,
    Config,
    Cppn,
    Crossover,
    Emitters,
    EvolutionStrategy,
    GradientArborescence,
    GradientAscent,
    Mutation,
    Preprocessing,
    Selection,
)
from qdfool.config.validation import MOST_GENERATIONS, check_image_shape, checked_image_shape, validate
from qdfool.config.values import (
    contradictions,
    differences,
    flat,
    from_dict,
    lasting_settings,
    needs_objects,
    option,
    override,
    setting_names,
    to_dict,
)

__all__ = [
    "BUDGET",
    "KEEPING",
    "MOST_GENERATIONS",
    "BlackPixels",
    "Charges",
    "Config",
    "Cppn",
    "Crossover",
    "Emitters",
    "EvolutionStrategy",
    "GradientArborescence",
    "GradientAscent",
    "Mutation",
    "Preprocessing",
    "Selection",
    "check_image_shape",
    "check_seeds",
    "checked_image_shape",
    "contradictions",
    "differences",
    "flat",
    "from_dict",
    "lasting_settings",
    "name_of",
    "needs_objects",
    "option",
    "override",
    "reference_to",
    "seeds_of_text",
    "setting_names",
    "to_dict",
    "validate",
]
