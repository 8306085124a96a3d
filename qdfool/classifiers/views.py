"""Views of a classifier that are classifiers again.

Classes put together, ten crops instead of one image, a surround about a smaller image.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.classifiers.logits_check import as_array, check_kind
from qdfool.classifiers.names_check import check_class_names
from qdfool.errors import InputError, in_range, known_name, named, shown
from qdfool.types import Array, Classifier, Parameters

REST = "rest"
"""Name of the class that holds what no group does."""
_EXAMPLE = "Expected NAME=CLASS,CLASS,... such as cat=281,282,283 or cat=281-285"


def grouped(classifier: Classifier, groups: Sequence[str]) -> Classifier:
    """A classifier of groups of classes, such as cat against the rest.

    A group's logit is the log-sum-exp of its members', so that its softmax is the sum of theirs, and its
    log-odds are exact where that sum has rounded to 1.

    Args:
        classifier: with K classes.
        groups: each `name=members`. Members are separated by commas: indices from 0 to K - 1, ranges
            `281-285`, both ends included, or names of classes that have no comma in them; what looks like an
            index is one. The classes that no group has make the last class, `rest`, if there are any.

    Raises:
        InputError: a group is malformed or empty, names a class that is not there, has one twice or shares
            one with another group; two groups have the same name, or one is named `rest`; or one group has
            all the classes.
    """
    if not groups:
        raise InputError(f"A grouped classifier needs a group. {_EXAMPLE}.")
    members: dict[str, list[int]] = {}
    group_of: dict[int, str] = {}
    for group in groups:
        name, indices = _group(group, classifier)
        if name == REST or name in members:
            taken = "is the name of what no group has" if name == REST else "names two groups"
            raise InputError(f"{shown(name)} {taken}; give the group {shown(group)} another name.")
        for index in indices:
            if index in group_of:
                where = f"the groups {shown(group_of[index])} and {shown(name)} overlap in"
                raise InputError(
                    f"{f'the group {shown(name)} has twice' if group_of[index] == name else where} class {index} "
                    f"({named(classifier.class_names[index])}). Expected each class in one group, once."
                )
            group_of[index] = name
        members[name] = indices
    rest = [index for index in range(len(classifier.class_names)) if index not in group_of]
    if rest:
        members[REST] = rest
    if len(members) < 2:
        raise InputError(
            f"The group {shown(groups[0])} has all the classes of {classifier.name}. Expected a group that leaves "
            "some over, or two groups."
        )
    names = check_class_names("`group`", tuple(members), len(members))
    rows = [np.array(indices) for indices in members.values()]

    def compose(logits: Array) -> Array:
        return jnp.stack([jax.nn.logsumexp(logits[:, row], axis=1) for row in rows], axis=1)

    def logits(parameters: Parameters, images: Any) -> Any:
        return _composed(classifier, compose, parameters, images)

    return replace(classifier, name=f"{classifier.name}, grouped", class_names=names, logits=logits)


def ten_crops(classifier: Classifier, side: int) -> Classifier:
    """A classifier of larger images, scored over ten crops of each as the paper scores them.

    The four corners and the centre are cut at the classifier's own size, each as it is and mirrored, and the
    ten softmaxes averaged. The logits are the logarithm of that mean, computed from log-softmaxes: where the
    mean rounds to 1, the log-odds still tell. The crops are run one after the other, so that they take no
    more memory than one.

    Source: Nguyen, Yosinski and Clune 2015 (arXiv 1412.1897), whose scores are those of Caffe's classifier
    with oversampling.

    Args:
        classifier: of images [H, W, C].
        side: height and width in pixels of the images to be cut; 256 for a network of 224 pixels.

    Raises:
        InputError: `side` is smaller than the classifier's images.
    """
    height, width, channels = classifier.image_shape
    if side < max(height, width):
        raise InputError(
            f"Ten crops are cut from images at least as large as {classifier.name} takes them, {height} x "
            f"{width} pixels; got a side of {side} (the setting `crop_from`)."
        )
    bottom, right = side - height, side - width
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    tops, lefts = (np.array(starts * 2) for starts in zip(*corners, strict=True))
    mirrored = np.arange(10) >= 5

    def log_probabilities(logits: Array) -> Array:
        return jax.nn.log_softmax(logits, axis=1)

    def traced(parameters: Parameters, images: Any) -> Array:
        images = jnp.asarray(images)

        def one(crop: tuple[Array, Array, Array]) -> Array:
            top, left, mirror = crop
            cut = jax.lax.dynamic_slice(images, (0, top, left, 0), (images.shape[0], height, width, channels))
            cut = jnp.where(mirror, cut[:, :, ::-1], cut)
            return _composed(classifier, log_probabilities, parameters, cut)

        return _log_mean(jax.lax.map(one, (jnp.array(tops), jnp.array(lefts), jnp.array(mirrored))))

    def on_host(parameters: Parameters, images: Any) -> np.ndarray:
        scores = []
        for top, left, mirror in zip(tops, lefts, mirrored, strict=True):
            cut = images[:, top : top + height, left : left + width]
            cut = np.ascontiguousarray(cut[:, :, ::-1] if mirror else cut)
            scores.append(_composed(classifier, log_probabilities, parameters, cut))
        return np.asarray(_log_mean(jnp.array(scores)))

    return replace(
        classifier,
        name=f"{classifier.name}, ten crops",
        image_shape=(side, side, channels),
        logits=traced if classifier.traceable else on_host,
    )


def surrounded(classifier: Classifier, margin: int, value: float) -> Classifier:
    """A classifier of smaller images, each seen in the middle of a canvas of one grey level.

    Args:
        classifier: of images [H, W, C]; the view takes [H - 2 margin, W - 2 margin, C].
        margin: pixels of the canvas that show on each side, at least 0.
        value: the canvas, in [0, 1], in all channels.

    Raises:
        InputError: the margin is negative or leaves no image, or the value is out of its range.
    """
    height, width, channels = classifier.image_shape
    if not 0 <= 2 * margin < min(height, width):
        raise InputError(
            f"A surround must leave something of an image of {height} x {width} pixels: a margin from 0 to "
            f"{(min(height, width) - 1) // 2}; got {margin}."
        )
    in_range("the grey level of a surround", value, 0, 1)
    around = ((0, 0), (margin, margin), (margin, margin), (0, 0))

    def logits(parameters: Parameters, images: Any) -> Any:
        pad = jnp.pad if classifier.traceable else np.pad
        return classifier.logits(parameters, pad(images, around, constant_values=value))

    return replace(
        classifier,
        name=f"{classifier.name}, surrounded",
        image_shape=(height - 2 * margin, width - 2 * margin, channels),
        logits=logits,
    )


def _composed(
    classifier: Classifier, compose: Callable[[Array], Array], parameters: Parameters, images: Any
) -> Any:
    logits = classifier.logits(parameters, images)
    if not classifier.traceable:
        logits = as_array(logits)
    # Before they are composed: then nothing would tell that classes are missing, or that they were complex.
    check_kind(classifier.name, logits, (len(images), len(classifier.class_names)))
    composed = compose(jnp.asarray(logits, jnp.float32))
    return composed if classifier.traceable else np.asarray(composed)


def _log_mean(log_probabilities: Array) -> Array:
    """[crops, B, K] to the logarithm of the mean probability, [B, K]."""
    return jax.nn.logsumexp(log_probabilities, axis=0) - jnp.log(log_probabilities.shape[0])


def _group(group: str, classifier: Classifier) -> tuple[str, list[int]]:
    name, equals, listed = (part.strip() for part in group.partition("="))
    parts = [part.strip() for part in listed.split(",")]
    if not equals or not name or not all(parts):
        raise InputError(f"The group {shown(group)} has no name, or a class is missing. {_EXAMPLE}.")
    return name, [index for part in parts for index in _indices(part, group, classifier)]


def _indices(part: str, group: str, classifier: Classifier) -> Sequence[int]:
    names = classifier.class_names
    numbers = re.fullmatch(r"(-?[0-9]{1,9})(?:-([0-9]{1,9}))?", part)
    if numbers is None:
        return [names.index(known_name(f"class in the group {shown(group)}", part, names))]
    first, last = int(numbers[1]), int(numbers[2] or numbers[1])
    for index in (first, last):
        in_range(f"a class in the group {shown(group)}", index, 0, len(names) - 1)
    if first > last:
        raise InputError(f"The range {shown(part)} in the group {shown(group)} is empty. {_EXAMPLE}.")
    return range(first, last + 1)
