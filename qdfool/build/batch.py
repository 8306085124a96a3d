"""From a device's memory to the size of a batch."""

import os
from dataclasses import replace

import jax

from qdfool.build.encoding import build_encoding
from qdfool.config import Config
from qdfool.types import Classifier

SHARE = 4
"""Of the memory, one part in so many is given to a batch."""
LAYERS = 64
"""What a network needs for an image beside the image, in images: the maps of a few layers at once."""
LARGEST, LARGEST_CPU = 512, 64
"""On a CPU, which computes image after image, a larger batch is no faster and learns more slowly."""


def with_batch_size(config: Config, classifier: Classifier) -> Config:
    """The config with its batch size chosen from the device's memory, if it leaves that open with 0.

    A power of two; the same on every machine of a kind, and part of the config that a run saves.
    """
    if config.batch_size:
        return config
    image = 4 * classifier.image_shape[0] * classifier.image_shape[1] * classifier.image_shape[2]
    genome = jax.eval_shape(
        build_encoding(config, classifier.image_shape).initialise, jax.random.key(config.seed)
    )
    genome_size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(genome))
    cells = len(classifier.class_names) * (
        config.cells[0] * config.cells[1] if config.archive == "grid" else 1
    )
    room = max(0, _memory() - 2 * cells * genome_size) // SHARE
    most = LARGEST_CPU if jax.default_backend() == "cpu" else LARGEST
    images = room // (LAYERS * image + 2 * genome_size)
    return replace(config, batch_size=max(1, min(most, 1 << max(0, images.bit_length() - 1))))


def _memory() -> int:
    """Bytes that the device has."""
    device = jax.local_devices()[0]
    found = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    return found or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
