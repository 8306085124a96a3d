"""From a config to the pictures that its run begins with, where it begins with any."""

import contextlib
import logging
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.build.encoding import INITIAL, begins_with_pictures, build_encoding
from qdfool.config import Config, name_of
from qdfool.errors import InputError, listed, printable, shown
from qdfool.genomes.levels import to_uint8
from qdfool.types import Pictures

LOG = logging.getLogger("qdfool.build")


def with_pictures(config: Config) -> Config:
    """The config with the whole path of its first images, if they are pictures.

    Raises:
        InputError: there is nothing of that name.
    """
    if config.initial in INITIAL:
        return config
    path: Path | None = None
    with contextlib.suppress(OSError, ValueError):  # A name too long, or with a null byte.
        found = Path(config.initial).absolute()
        path = found if found.exists() else None
    if path is None:
        raise InputError(
            f"Unknown initial image {shown(config.initial)}. Known: {listed(INITIAL)}; or the path of a folder of "
            "image files, or of an IDX file, that is there."
        )
    return replace(config, initial=str(path))


def read_pictures(config: Config, image_shape: tuple[int, int, int]) -> Pictures | None:
    """A picture for each child of the first generation, or None where a run begins with noise.

    They are taken evenly from the collection: every so many one, if there are more than children, else each as often
    as the others, but for one.

    Raises:
        InputError: the encoding cannot draw pictures, or they cannot be read.
    """
    if not begins_with_pictures(config):
        return None
    if build_encoding(config, image_shape).encode is None:
        raise InputError(
            f"The encoding {name_of(config.encoding)} does not draw pictures that are given to it, as `initial` has "
            f"them: {shown(config.initial)}. Choose the encoding 'pixels', or leave `initial` away."
        )
    # Imported here because Pillow takes a while, and most runs begin with noise.
    from qdfool.data.collection import collection

    found = collection(Path(config.initial), image_shape)
    LOG.warning(
        f"The first generation shows {min(found.count, config.batch_size):,} of {found.count:,} pictures of "
        f"{printable(config.initial)}, subfolders included."
    )
    number = np.arange(config.batch_size, dtype=np.int64) * found.count // config.batch_size
    chosen, row = np.unique(number, return_inverse=True)
    levels = np.asarray(to_uint8(jnp.asarray(found.images(chosen))))
    return Pictures(jnp.asarray(levels[row]), jnp.asarray(number, jnp.int32))


def shapes_of_pictures(config: Config, image_shape: tuple[int, int, int]) -> Pictures | None:
    """What `read_pictures` returns, as shapes; nothing is read."""
    if not begins_with_pictures(config):
        return None
    batch = config.batch_size
    return jax.eval_shape(
        lambda: Pictures(jnp.zeros((batch, *image_shape), jnp.uint8), jnp.zeros(batch, jnp.int32))
    )
