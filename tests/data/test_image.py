"""Image files: what becomes of them, and which are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qdfool.data.image import read_image
from qdfool.errors import InputError


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def save(path: Path, values: np.ndarray, **options) -> Path:
    Image.fromarray(values.squeeze()).save(path, **options)
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_the_right_size_is_taken_as_it_is(tmp_path, channels):
    values = noise(12, 10, channels)
    read = read_image(save(tmp_path / "a.png", values), 12, 10, channels)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values.astype(np.float32) / 255)


@pytest.mark.parametrize(("height", "width"), [(90, 60), (61, 133), (300, 451), (20, 30), (32, 32)])
def test_another_is_resized_and_its_centre_cut_out(tmp_path, height, width):
    smooth = np.asarray(Image.fromarray(noise(7, 9)).resize((width, height), Image.Resampling.BICUBIC))
    scale = 32 / min(height, width)
    tall, wide = round(height * scale), round(width * scale)
    resized = np.asarray(Image.fromarray(smooth).resize((wide, tall), Image.Resampling.BILINEAR))
    top, left = (tall - 28) // 2, (wide - 28) // 2
    expected = resized[top : top + 28, left : left + 28].astype(np.float32) / 255
    read = read_image(save(tmp_path / "a.png", smooth), 28, 28, 3)
    assert read.shape == (28, 28, 3)
    np.testing.assert_allclose(read, expected, atol=1.01 / 255)


def test_the_shorter_side_becomes_256_for_a_network_of_224(tmp_path):
    values = np.zeros((512, 600, 1), np.uint8)
    values[32:480, 76:524] = 255  # exactly what the crop should show
    read = read_image(save(tmp_path / "a.png", values), 224, 224, 1)
    assert read[1:-1, 1:-1].min() == 1.0
    values[32:480, 76:524], values[values == 0] = 0, 255
    read = read_image(save(tmp_path / "b.png", 255 - values), 224, 224, 1)
    assert read[0].mean() < 1


def test_grey_and_colour_become_each_other(tmp_path):
    grey = noise(8, 8, 1)
    read = read_image(save(tmp_path / "grey.png", grey), 8, 8, 3)
    np.testing.assert_array_equal(read, np.repeat(grey, 3, axis=2).astype(np.float32) / 255)
    colour = noise(8, 8, 3)
    read = read_image(save(tmp_path / "colour.png", colour), 8, 8, 1)
    np.testing.assert_allclose(read[..., 0], colour @ [0.299, 0.587, 0.114] / 255, atol=1 / 255)


def test_what_is_transparent_turns_white(tmp_path):
    values = noise(8, 8, 4)
    values[..., 3] = 255
    values[:4, :, 3] = 0
    read = read_image(save(tmp_path / "a.png", values), 8, 8, 3)
    assert (read[:4] == 1).all()
    np.testing.assert_array_equal(read[4:], values[4:, :, :3].astype(np.float32) / 255)


def test_a_palette_and_its_transparent_colour(tmp_path):
    image = Image.fromarray(np.repeat(np.array([[0], [1]], np.uint8), 4, axis=1), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 2, 4, 3)[:, 0], [[1, 0, 0], [0, 0, 1]])
    image.save(tmp_path / "b.png", transparency=0)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png", 2, 4, 3)[:, 0], [[1, 1, 1], [0, 0, 1]])


def test_the_orientation_of_the_camera_is_respected(tmp_path):
    values = noise(8, 12)
    image = Image.fromarray(values)
    orientation = Image.Exif()
    orientation[0x0112] = 6  # the camera was held on its side: turn clockwise
    image.save(tmp_path / "a.png", exif=orientation)
    read = read_image(tmp_path / "a.png", 12, 8, 3)
    np.testing.assert_array_equal(read, np.rot90(values, -1).astype(np.float32) / 255)


@pytest.mark.parametrize("ending", ["jpg", "webp", "gif", "bmp", "tiff"])
def test_the_usual_formats(tmp_path, ending):
    path = save(tmp_path / f"a.{ending}", np.full((9, 9, 3), 128, np.uint8))
    np.testing.assert_allclose(read_image(path, 9, 9, 3), 128 / 255, atol=2 / 255)


def test_a_very_long_image_takes_no_memory(tmp_path):
    path = save(tmp_path / "a.png", np.full((1, 60_000, 1), 51, np.uint8))
    read = read_image(path, 224, 224, 3)  # resized as a whole it would have 12 GB
    np.testing.assert_allclose(read, 0.2)


def test_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected a PNG, JPEG.*found nothing"):
        read_image(tmp_path / "missing.png", 8, 8, 3)
    with pytest.raises(InputError, match=r"Expected a PNG, JPEG.*found a folder"):
        read_image(tmp_path, 8, 8, 3)
    text = tmp_path / "text.png"
    text.write_text("no image")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    for path in (text, empty):
        with pytest.raises(
            InputError, match=rf"{path.name} cannot be read as an image.*Expected a PNG, JPEG"
        ):
            read_image(path, 8, 8, 3)


def test_a_format_that_would_start_another_program_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    with pytest.raises(InputError, match=r"a\.eps cannot be read as an image"):
        read_image(tmp_path / "a.eps", 8, 8, 3)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "tiff"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_a_truncated_file_is_refused(tmp_path, ending, share):
    path = save(tmp_path / f"a.{ending}", noise(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=rf"{path.name} cannot be read as an image"):
        read_image(path, 28, 28, 3)


def test_a_file_with_a_fraction_for_an_offset_is_refused(tmp_path):
    """Pillow has a TypeError for it: what a damaged file raises is not to be foreseen."""
    path = save(tmp_path / "a.tiff", noise(8, 8))
    content = path.read_bytes()
    strip_offsets, whole_number, fraction = b"\x11\x01", b"\x04\x00", b"\x05\x00"
    assert content.count(strip_offsets + whole_number) == 1
    path.write_bytes(content.replace(strip_offsets + whole_number, strip_offsets + fraction))
    with pytest.raises(InputError, match=r"a\.tiff cannot be read as an image"):
        read_image(path, 8, 8, 3)


@pytest.mark.parametrize("limit", [40, 60])
def test_a_gigantic_image_is_refused(tmp_path, monkeypatch, limit):
    path = save(tmp_path / "a.png", noise(10, 10))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # beyond it Pillow warns, beyond twice it raises
    with pytest.raises(InputError, match=r"a\.png is too large an image.*Scale it down"):
        read_image(path, 8, 8, 3)


def test_sixteen_bits_are_refused(tmp_path):
    path = save(tmp_path / "a.png", np.full((8, 8), 40_000, np.uint16))
    with pytest.raises(InputError, match="more than 8 bits a channel"):
        read_image(path, 8, 8, 1)


def test_only_grey_and_colour_can_be_shown(tmp_path):
    path = save(tmp_path / "a.png", noise(8, 8))
    with pytest.raises(InputError, match="classifier of 2 channels"):
        read_image(path, 8, 8, 2)
