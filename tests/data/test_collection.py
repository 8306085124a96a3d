"""Many images: folders of files, IDX files, and what is neither."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qdfool.data.collection import collection
from qdfool.errors import InputError

LEVELS = np.random.default_rng(0).integers(0, 256, (5, 8, 6), np.uint8)
SHAPE = (8, 6, 1)


def idx(levels: np.ndarray, sizes: tuple[int, ...] | None = None, kind: int = 8) -> bytes:
    sizes = levels.shape if sizes is None else sizes
    return bytes([0, 0, kind, len(sizes)]) + np.array(sizes, ">u4").tobytes() + levels.tobytes()


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_idx_file_is_read(tmp_path: Path, compress):
    (tmp_path / "images").write_bytes(compress(idx(LEVELS)))
    found = collection(tmp_path / "images", SHAPE)
    assert found.count == 5
    images = found.images(np.array([3, 0]))
    assert images.dtype == np.float32
    np.testing.assert_array_equal((images * 255).round(), LEVELS[[3, 0], ..., None])


def test_a_folder_is_read_with_its_subfolders_and_files_are_resized(tmp_path: Path):
    (tmp_path / "b").mkdir()
    for name, levels in {"z.png": LEVELS[0], "b/a.PNG": LEVELS[1], "notes.txt": None}.items():
        path = tmp_path / name
        if levels is None:
            path.write_text("no image")
        else:
            Image.fromarray(levels).save(path)
    Image.fromarray(np.full((40, 40), 100, np.uint8)).save(tmp_path / "large.png")
    found = collection(tmp_path, SHAPE)
    assert found.count == 3
    images = found.images(np.arange(3)) * 255
    np.testing.assert_array_equal(images[0].round(), LEVELS[1][..., None])
    np.testing.assert_allclose(images[1], 100, atol=1)
    np.testing.assert_array_equal(images[2].round(), LEVELS[0][..., None])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(LEVELS)[:-1], "239 bytes"),
        (idx(LEVELS) + b"x", "more bytes"),
        (gzip.compress(idx(LEVELS), mtime=0)[:60], "whole"),
        (idx(LEVELS, kind=13), r"begins with b'\\x00\\x00\\r"),
        (idx(LEVELS[:, 0, 0]), "begins with"),
        (idx(LEVELS)[:9], "ends within its header"),
        (idx(LEVELS, (2**32 - 1, 2**32 - 1, 2**32 - 1)), "expected 1 to"),
        (idx(LEVELS[:0]), "expected 1 to"),
        (b"", "begins with b''"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes, said: str):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        collection(tmp_path / "images", SHAPE)
    assert str(tmp_path / "images") in str(error.value)


def test_images_of_another_size_nothing_and_an_empty_folder_are_refused(tmp_path: Path):
    (tmp_path / "images").write_bytes(idx(LEVELS))
    with pytest.raises(InputError, match="has images of 8 x 6 x 1; the classifier takes 28 x 28 x 1"):
        collection(tmp_path / "images", (28, 28, 1))
    with pytest.raises(InputError, match="found nothing"):
        collection(tmp_path / "nowhere", SHAPE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No image in"):
        collection(tmp_path / "empty", SHAPE)


def test_a_damaged_image_in_a_folder_is_named(tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = collection(tmp_path, SHAPE)
    with pytest.raises(InputError, match=r"broken\.png"):
        found.images(np.array([0]))
