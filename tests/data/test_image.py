"""Image files: what becomes of them, and which are refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

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


def png(width: int, height: int, bits: int, colours: int, rows: bytes) -> bytes:
    """A PNG of what the library does not write; `colours` is 0 grey, 2 RGB, 4 grey and alpha, 6 RGB and alpha."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def tiff(height: int, width: int, planes: int) -> bytes:
    """A TIFF of 16-bit colours, not compressed; its channels lie together (1) or apart (2)."""
    bits = 8 + 2 + 10 * 12 + 4
    values = {
        256: (3, 1, width),
        257: (3, 1, height),
        258: (3, 3, bits),
        259: (3, 1, 1),
        262: (3, 1, 2),
        273: (4, 1, bits + 6),
        277: (3, 1, 3),
        278: (3, 1, height),
        279: (4, 1, height * width * 6),
        284: (3, 1, planes),
    }
    entries = b"".join(struct.pack("<HHII", tag, *value) for tag, value in values.items())
    header = b"II*\0" + struct.pack("<IH", 8, len(values)) + entries + bytes(4)
    return header + struct.pack("<3H", 16, 16, 16) + bytes(height * width * 6)


@pytest.mark.parametrize(("colours", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_a_channel_are_refused_not_cut(tmp_path, colours, channels):
    path = tmp_path / "a.png"
    for bits in (8, 16):
        path.write_bytes(png(4, 4, bits, colours, (b"\0" + b"\x80" * (4 * channels * bits // 8)) * 4))
        if bits == 8:
            assert read_image(path, 4, 4, 3).shape == (4, 4, 3)
    with pytest.raises(InputError, match=r"more than 8 bits a channel.*save it with 8 bits"):
        read_image(path, 4, 4, 3)


@pytest.mark.parametrize("planes", [1, 2])
def test_sixteen_bits_a_channel_of_a_tiff_are_refused(tmp_path, planes):
    path = tmp_path / "a.tiff"
    path.write_bytes(tiff(4, 4, planes))
    with pytest.raises(InputError, match="more than 8 bits a channel"):
        read_image(path, 4, 4, 3)


def test_a_bitmap_of_sixteen_bits_a_pixel_is_read(tmp_path):
    """Five bits a channel, six for green."""
    header = b"BM" + struct.pack("<IIIIiiHHIIiiII", 66 + 32, 0, 66, 40, 4, 4, 1, 16, 3, 32, 0, 0, 0, 0)
    path = tmp_path / "a.bmp"
    path.write_bytes(header + struct.pack("<III", 0xF800, 0x7E0, 0x1F) + b"\xff" * 32)
    assert (read_image(path, 4, 4, 3) == 1).all()


def test_a_gigantic_image_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # a program that uses Pillow may have set this
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    path = tmp_path / "a.png"
    for width, height in ((8_000, 8_000), (2**31 - 1, 2**31 - 1), (50_000_001, 1)):
        path.write_bytes(png(width, height, 8, 2, b""))
        with pytest.raises(
            InputError, match=rf"too large an image: {width:,} x {height:,} .*50,000,000 at most"
        ):
            read_image(path, 8, 8, 3)


def test_only_grey_and_colour_can_be_shown(tmp_path):
    path = save(tmp_path / "a.png", noise(8, 8))
    with pytest.raises(InputError, match="classifier of 2 channels"):
        read_image(path, 8, 8, 2)
