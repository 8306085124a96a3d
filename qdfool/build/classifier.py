"""From a config to the classifier under audit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from qdfool.build.compiler import options_of_network
from qdfool.build.reference import is_reference, named_object
from qdfool.build.target import Target, here
from qdfool.classifiers import custom, hub, lenet, porting
from qdfool.classifiers.adapters import adapter
from qdfool.classifiers.architecture import Architecture
from qdfool.classifiers.batch_minor import BatchMinor
from qdfool.classifiers.layers import CHANNELS_LAST, Formulation
from qdfool.classifiers.logits_check import answers_of
from qdfool.classifiers.networks import ARCHITECTURES, architecture
from qdfool.classifiers.views import grouped, ten_crops
from qdfool.classifiers.winograd import Winograd
from qdfool.config import Config, Preprocessing
from qdfool.errors import OWN, InputError, known_name, shown
from qdfool.types import Classifier

HUB, RANDOM = "hub", porting.RANDOM
NO_FILES = (HUB, RANDOM)
"""Words that stand in the place of a weights file."""


def _lenet(config: Config, target: Target) -> Classifier:
    if config.image_shape not in (None, lenet.IMAGE_SHAPE):
        raise InputError(
            f"lenet takes images of 28 28 1; got the `image_shape` {_spaced(config.image_shape)}."
        )
    if config.precision != "float32":
        raise InputError("The `precision` bfloat16 goes with the ImageNet networks; lenet has float32.")
    if config.weights in NO_FILES:
        raise InputError(
            f"lenet's weights are packaged; `weights` takes a file. Got {shown(config.weights)}."
        )
    return lenet.classifier(None if config.weights is None else Path(config.weights))


def _network(config: Config, target: Target) -> Classifier:
    found = architecture(config.classifier)
    size = None
    if config.image_shape is not None:
        height, width, channels = config.image_shape
        if height != width or channels != 3:
            raise InputError(
                f"{found.name} takes square colour images, of the `image_shape` SIDE SIDE 3; got "
                f"{_spaced(config.image_shape)}."
            )
        size = height
    network = porting.classifier(
        found,
        _weights(config, found),
        image_size=size,
        formulation=_formulation(found, target),
        dtype=jnp.dtype(config.precision),
    )
    return replace(network, compiler_options=options_of_network(found, target))


def _formulation(found: Architecture, target: Target) -> Formulation:
    if target.platform != "cpu":
        return CHANNELS_LAST
    return (BatchMinor if found.depthwise else Winograd)(found.images_at_once)


CLASSIFIERS: dict[str, tuple[str, Callable[[Config, Target], Classifier]]] = {
    "lenet": ("LeNet for MNIST digits, 28 x 28 grey, weights packaged", _lenet),
    **{name: (found.description, _network) for name, found in ARCHITECTURES.items()},
}


def build_classifier(config: Config, target: Target | None = None) -> Classifier:
    """The classifier a config names, as its objective and groups show it.

    It is formulated for the devices that are here, unless a target is given.

    Raises:
        InputError: unknown name, weights that do not fit or cannot be fetched, an output that is not logits, a
            size that the network cannot take, or groups that do not fit its classes.
    """
    if (load := adapter(config.classifier)) is not None:
        _check_has_its_own(config, config.classifier)
        classifier = custom.wrap(load(config.classifier, config.image_shape, config.preprocessing))
    elif is_reference(config.classifier):
        classifier = _own(config, named_object(config.classifier), config.classifier)
    elif config.classifier.startswith("mobilenet_v1_"):
        _check_no_preprocessing(config, config.classifier)
        classifier = _network(config, target or here())  # of any width, also of one that is not in the table
    else:
        _check_no_preprocessing(config, config.classifier)
        _check_is_no_module(config.classifier)
        _, load = CLASSIFIERS[
            known_name("classifier", config.classifier, CLASSIFIERS, f"{OWN}, a file or an address")
        ]
        classifier = load(config, target or here())
    return _viewed(config, classifier)


def _check_is_no_module(name: str) -> None:
    """Refuses a Python file, or its name, that does not say what in it is the classifier."""
    module = name.removesuffix(".py")
    if module.replace("_", "a").isalnum() and Path(f"{module}.py").is_file():
        raise InputError(
            f"{shown(name)} is a Python file. Expected which function in it is the classifier, as "
            f"{module}:NAME."
        )


def with_classifier(config: Config, found: Any) -> tuple[Config, Classifier]:
    """A user's own classifier as the config's objective and groups show it, and the config that names it.

    Args:
        config: whatever classifier it names is left aside.
        found: whatever `qdfool.classifiers.custom.wrap` takes.

    Raises:
        InputError: it is no classifier, its output is not logits, or a setting does not apply to it.
    """
    classifier = _own(config, found)
    name = classifier.reference or classifier.name
    if not (classifier.reference or classifier.fingerprint) and is_known(name):
        name += " (own)"  # without weights to compare nothing else would tell it from qdfool's
    return replace(config, classifier=name), _viewed(config, classifier)


def is_known(name: str) -> bool:
    """Whether a config that names this classifier is enough to build it."""
    return (
        adapter(name) is not None
        or is_reference(name)
        or name in CLASSIFIERS
        or name.startswith("mobilenet_v1_")
    )


def _own(config: Config, found: Any, reference: str = "") -> Classifier:
    name = reference or "a classifier of your own"
    _check_has_its_own(config, name)
    _check_no_preprocessing(config, name)
    return custom.wrap(found, config.image_shape, reference)


def _check_has_its_own(config: Config, name: str) -> None:
    if config.weights is not None:
        raise InputError(
            f"`weights` goes with one of qdfool's own classifiers; {name} must load its own. Got "
            f"{shown(config.weights)}."
        )
    if config.precision != "float32":
        raise InputError(f"`precision` goes with one of qdfool's own classifiers; {name} has its own.")


def _check_no_preprocessing(config: Config, name: str) -> None:
    if config.preprocessing != Preprocessing():
        raise InputError(
            f"`preprocessing` is of classifiers that are files or services; {name} has its own. Leave it away."
        )


def _viewed(config: Config, classifier: Classifier) -> Classifier:
    viewed = classifier
    if config.objective == "ten-crop":
        viewed = ten_crops(viewed, config.crop_from)
    if config.group:
        viewed = grouped(viewed, config.group)
    if viewed is not classifier and viewed.answers:
        viewed = replace(viewed, answers=answers_of(viewed))
    return viewed


def _weights(config: Config, found: Architecture) -> Path | str:
    if config.weights == RANDOM:
        return RANDOM
    if config.weights in (None, HUB):
        return hub.fetch(found)
    return Path(config.weights)


def _spaced(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))
