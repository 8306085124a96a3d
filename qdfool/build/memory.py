"""What a run needs of the memory of the device and of the host, estimated before it begins.

An estimate from below: a run that is refused would fail or swap, one that is not may still.
"""

import functools
import math
import os
from pathlib import Path

import jax

from qdfool import hosts
from qdfool.build.encoding import begins_with_pictures, build_encoding
from qdfool.build.target import Target, here
from qdfool.config import Config
from qdfool.engine.loop import LONGEST_CHUNK
from qdfool.engine.selection import BLOCK
from qdfool.errors import InputError
from qdfool.keys import new_key
from qdfool.types import Classifier

MOST_CELLS = 2**31 - 1
"""Cells are numbered in 32 bits."""
CELL_BYTES = 4 * 8
"""Of a cell beside its genome: fitness, two measures, lineage, curiosity."""
LEAST_LAYERS_IN_IMAGES = 4
"""What a classifier has of an image at once, at least, in images: the maps of two layers."""
ARCHIVE, RECORDS = "the archive", "records"
"""What memory is needed for, as a message says it."""
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files in which Linux says what a container may have."""


@functools.lru_cache(maxsize=8)
def genome_bytes(config: Config, image_shape: tuple[int, int, int]) -> int:
    """Bytes of one genome.

    Raises:
        InputError: the encoding is unknown, or cannot draw such images.
    """
    initialise = build_encoding(config, image_shape).initialise
    genome = jax.eval_shape(lambda: initialise(new_key(0)))
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(genome))


def check_archive(config: Config, image_shape: tuple[int, int, int], classes: int) -> int:
    """Bytes of the archive, which the host has once, to be read and saved.

    Raises:
        InputError: it has more cells than can be numbered, or is more than the host's memory.
    """
    genome, cells = genome_bytes(config, image_shape), cells_of(config, classes)
    archive, memory = cells * (genome + CELL_BYTES), host_memory()
    if cells > MOST_CELLS or archive > memory:
        raise InputError(
            f"An archive of {cells:,} cells with genomes of {genome:,} bytes needs about {gigabytes(archive)}; this "
            f"machine has {gigabytes(memory)}, and cells are numbered up to {MOST_CELLS:,}. Choose the encoding "
            "'cppn', fewer `cells`, a smaller `image_shape`, or the `archive` 'class'."
        )
    return archive


def check_memory(config: Config, classifier: Classifier, target: Target | None = None) -> None:
    """Checks that a run has the memory that it needs; its batch size is chosen.

    The devices are those that are here, unless a target is given; the host is this one.

    Raises:
        InputError: it has not; the message has the estimate, and what there is.
    """
    classes, values = len(classifier.class_names), math.prod(classifier.image_shape)
    target = target or here()
    on_cpu = target.platform == "cpu"
    on_device = needs_on_device(config, classifier, target)
    # One for a class: how many cells of a grid will have an elite is not known.
    pictures = classes * values + (0 if classifier.traceable else _batch(config, target) * 4 * values)
    on_host = {
        ARCHIVE: on_device[ARCHIVE],
        "images of elites": pictures,
        RECORDS: 2 * on_device[RECORDS],
    }
    if on_cpu:
        both = {name: on_device.get(name, 0) + on_host.get(name, 0) for name in on_device | on_host}
        _check("this machine", both, host_memory())
    else:
        _check("the device", on_device, target.memory or device_memory())
        _check("this machine", on_host, host_memory())


def needs_on_device(config: Config, classifier: Classifier, target: Target) -> dict[str, int]:
    """Bytes that a run needs on a device, at least, by what for.

    Raises:
        InputError: as `check_archive`.
    """
    image_shape, classes = classifier.image_shape, len(classifier.class_names)
    values, batch = math.prod(image_shape), _batch(config, target)
    archive, genome = check_archive(config, image_shape, classes), genome_bytes(config, image_shape)
    # Children and images of this generation and the next; what the classifier makes of them; their logits.
    children = batch * (2 * genome + (2 + LEAST_LAYERS_IN_IMAGES) * 4 * values + 8 * classes)
    if config.selection.operator == "tournament":
        # For each that is drawn a block of the archive is looked through: 40 to 590 bytes in compiled programs.
        children += (
            batch * config.selection.tournament_size * (80 + 8 * min(BLOCK, cells_of(config, classes)))
        )
    if begins_with_pictures(config):
        children += config.batch_size * values
    return {
        ARCHIVE: archive,
        f"a batch of {batch:,} children": children,
        RECORDS: LONGEST_CHUNK * classes * 8,
    }


def _batch(config: Config, target: Target) -> int:
    """Children that share a memory."""
    return -(-config.batch_size // (hosts.count() if target.platform == "cpu" else config.devices))


def device_memory() -> int:
    """Bytes that the device has; those of the host, where it is the device."""
    device = jax.local_devices()[0]
    found = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    return found or host_memory()


def host_memory() -> int:
    """Bytes that the host has, or that a container is given of them."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in LIMITS:
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # No such file, or the word "max".
            continue
    return min(found)


def cells_of(config: Config, classes: int) -> int:
    """Cells of the archive, N."""
    return classes * (config.cells[0] * config.cells[1] if config.archive == "grid" else 1)


def _check(where: str, needs: dict[str, int], memory: int) -> None:
    needed = sum(needs.values())
    if needed > memory:
        parts = ", ".join(f"{gigabytes(size)} for {name}" for name, size in needs.items())
        raise InputError(
            f"This run needs about {gigabytes(needed)} of memory ({parts}); {where} has {gigabytes(memory)}. "
            "Choose a smaller `batch_size`, the encoding 'cppn', fewer `cells`, or a smaller `image_shape`."
        )


def gigabytes(size: int) -> str:
    """A size as a message says it."""
    return f"{size / 1e9:,.1f} GB"
