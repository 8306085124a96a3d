"""What fits into a device's memory: the archive, and a batch of which size."""

import os
from dataclasses import replace

import jax

from qdfool.build.encoding import build_encoding
from qdfool.config import Config
from qdfool.errors import InputError
from qdfool.types import Classifier

ARCHIVE_COPIES = 2
"""How often memory holds the archive."""
BATCH_SHARE = 4
"""Of the memory, one part in so many is given to a batch."""
LAYERS_IN_IMAGES = 64
"""What a network needs for an image beside the image, in images: the maps of a few layers at once."""
LARGEST_BATCH, LARGEST_BATCH_CPU = 512, 64
"""On a CPU, which computes image after image, a larger batch is no faster and learns more slowly."""


def with_batch_size(config: Config, classifier: Classifier) -> Config:
    """The config with its batch size chosen from the device's memory, if it leaves that open with 0.

    A power of two; the same on every machine of a kind, and part of the config that a run saves.

    Raises:
        InputError: the archive alone is more than the memory holds.
    """
    image = 4 * classifier.image_shape[0] * classifier.image_shape[1] * classifier.image_shape[2]
    genome = jax.eval_shape(
        build_encoding(config, classifier.image_shape).initialise, jax.random.key(config.seed)
    )
    genome_size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(genome))
    grid = config.cells[0] * config.cells[1] if config.archive == "grid" else 1
    cells, memory = len(classifier.class_names) * grid, _memory()
    # The device has them once, pyribs on the host once more.
    room = memory - ARCHIVE_COPIES * cells * genome_size
    if room < 0:
        raise InputError(
            f"An archive of {cells:,} cells with genomes of {genome_size:,} bytes needs "
            f"{ARCHIVE_COPIES * cells * genome_size / 1e9:,.0f} GB; this machine has {memory / 1e9:,.0f}. Choose the "
            "encoding 'cppn', fewer `cells`, a smaller `image_shape`, or the `archive` 'class'."
        )
    if config.batch_size:
        return config
    most = LARGEST_BATCH_CPU if jax.default_backend() == "cpu" else LARGEST_BATCH
    each = LAYERS_IN_IMAGES * image + 2 * genome_size
    if config.encoding == "cppn" and jax.default_backend() != "cpu":
        # Side by side, every slot of a network has a value for every pixel.
        each += config.cppn.nodes * image // classifier.image_shape[2]
    images = room // BATCH_SHARE // each
    return replace(config, batch_size=max(1, min(most, 1 << max(0, images.bit_length() - 1))))


def _memory() -> int:
    """Bytes that the device has."""
    device = jax.local_devices()[0]
    found = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    return found or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
