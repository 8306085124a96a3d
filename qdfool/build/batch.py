"""A batch of which size fits into a device's memory."""

from dataclasses import replace

from qdfool.build.defaults import with_defaults
from qdfool.build.memory import check_archive, check_memory, device_memory, genome_bytes
from qdfool.build.target import Target, here
from qdfool.config import Config, check_image_shape
from qdfool.types import Classifier

BATCH_SHARE = 4
"""Of the memory, one part in so many is given to a batch."""
LAYERS_IN_IMAGES = 64
"""What a network needs for an image beside the image, in images, at most: the maps of a few layers at once."""
LARGEST_BATCH, LARGEST_BATCH_CPU = 512, 64
"""On a CPU, which computes image after image, a larger batch is no faster and learns more slowly."""


def with_batch_size(config: Config, classifier: Classifier, target: Target | None = None) -> Config:
    """The config with its batch size chosen from the devices' memory, if it leaves that open with 0.

    A power of two for each device; the same on every machine of a kind, and part of the config that a run saves. The
    devices are those that are here, unless a target is given.

    Raises:
        InputError: the run needs more memory than there is; see `qdfool.build.memory`.
    """
    check_image_shape(f"the images of {classifier.name}", classifier.image_shape)
    whole, target = with_defaults(config, classifier.image_shape), target or here()
    if not config.batch_size:
        config = replace(config, batch_size=config.devices * _largest(whole, classifier, target))
    check_memory(replace(whole, batch_size=config.batch_size), classifier, target)
    return config


def _largest(config: Config, classifier: Classifier, target: Target) -> int:
    """Children that a device has at once."""
    # The device has the archive once, the host once more.
    archive = check_archive(config, classifier.image_shape, len(classifier.class_names))
    room = max(0, (target.memory or device_memory()) - 2 * archive)
    most = LARGEST_BATCH_CPU if target.platform == "cpu" else LARGEST_BATCH
    images = room // BATCH_SHARE // child_bytes(config, classifier, target)
    return max(1, min(most, 1 << max(0, images.bit_length() - 1)))


def child_bytes(config: Config, classifier: Classifier, target: Target) -> int:
    """Bytes that a child needs on a device while it is bred and classified, at most."""
    image = 4 * classifier.image_shape[0] * classifier.image_shape[1] * classifier.image_shape[2]
    each = LAYERS_IN_IMAGES * image + 2 * genome_bytes(config, classifier.image_shape)
    if config.encoding == "cppn" and target.platform != "cpu":
        # Side by side, every slot of a network has a value for every pixel; for a gradient a slope and an adjoint, too.
        numbers = 3 if "gradient_ascent" in config.emitters.operators else 1
        each += numbers * config.cppn.nodes * image // classifier.image_shape[2]
    return each
