"""Turns a config into functions, by plain dict tables: add a part by adding a row."""

from qdfool.build.batch import with_batch_size
from qdfool.build.classifier import CLASSIFIERS, NO_FILES, build_classifier, is_known, with_classifier
from qdfool.build.defaults import DEFAULT_MUTATIONS, with_defaults
from qdfool.build.devices import with_devices
from qdfool.build.emitters import EMITTERS
from qdfool.build.encoding import ENCODINGS, INITIAL, begins_with_pictures, build_encoding, is_own_encoding
from qdfool.build.evolution import build_evolution
from qdfool.build.measures import build_measures, grid_ranges, placed
from qdfool.build.memory import check_archive, check_memory
from qdfool.build.pictures import read_pictures, shapes_of_pictures, with_pictures
from qdfool.build.seeds import seeds_at_once
from qdfool.build.selection import SELECTIONS
from qdfool.build.target import Target
from qdfool.build.variation import CROSSOVERS, MUTATIONS
from qdfool.build.without_effect import warn_of_what_has_no_effect

__all__ = [
    "CLASSIFIERS",
    "CROSSOVERS",
    "DEFAULT_MUTATIONS",
    "EMITTERS",
    "ENCODINGS",
    "INITIAL",
    "MUTATIONS",
    "NO_FILES",
    "SELECTIONS",
    "Target",
    "begins_with_pictures",
    "build_classifier",
    "build_encoding",
    "build_evolution",
    "build_measures",
    "check_archive",
    "check_memory",
    "grid_ranges",
    "is_known",
    "is_own_encoding",
    "placed",
    "read_pictures",
    "seeds_at_once",
    "shapes_of_pictures",
    "warn_of_what_has_no_effect",
    "with_batch_size",
    "with_classifier",
    "with_defaults",
    "with_devices",
    "with_pictures",
]
