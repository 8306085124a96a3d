"""An image file as a classifier sees photographs: resized, the centre cut out, values in [0, 1]."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

from qdfool.errors import InputError
from qdfool.files.regular import open_regular

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""What is read. Not all that Pillow can: for some formats it starts other programs."""
MOST_PIXELS = 50_000_000
"""A photograph of the largest cameras of a phone has as many. Decoded and flattened it takes up to 800 MB."""
MOST_TILES = 200_000
"""Of a TIFF: the smallest that there are, of 16 x 16 pixels, for all of these."""
MARGIN = 256 / 224
"""How much longer than the crop the shorter side is, as in ImageNet's usual evaluation."""
_MODES = {1: "L", 3: "RGB"}
_SCALE_DOWN = "Scale it down first."
_EXPECTED = "Expected a PNG, JPEG, WebP, GIF, BMP or TIFF file"


def check_is_file(path: Path) -> None:
    """Checks that there is a file, whatever it holds.

    Raises:
        InputError: there is none.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise InputError(f"{_EXPECTED} at {path}; found {found}.")


def read_image(path: Path, height: int, width: int, channels: int) -> np.ndarray:
    """Reads an image file at the size of a classifier.

    An image of exactly height x width is taken as it is. Any other is resized (bilinear, with antialiasing)
    until the shorter side is 256/224 of the size wanted, and the centre is cut out. What is transparent
    turns white; the orientation that a camera noted is respected; of an animation the first frame counts.

    Args:
        path: of the file.
        height: in pixels, >= 1.
        width: in pixels, >= 1.
        channels: 1 for grey, 3 for red, green and blue.

    Returns:
        [height, width, channels] float32 in [0, 1].

    Raises:
        InputError: no such file, no image, a damaged one, one of more than `MOST_PIXELS` or of more than 8 bits a
            channel, or another number of channels.
    """
    if channels not in _MODES:
        raise InputError(
            f"{path} cannot be shown to a classifier of {channels} channels: an image file has 1 (grey) or 3 "
            "(red, green, blue)."
        )
    check_is_file(path)
    try:
        image = _read(path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limit, which a program may have set lower than ours.
        raise InputError(f"{path} is too large an image: {error} {_SCALE_DOWN}") from error
    except (MemoryError, InputError):
        raise
    except Exception as error:
        # Each of Pillow's formats fails in ways of its own: which, is decided by the damaged bytes.
        raise InputError(
            f"{path} cannot be read as an image ({error}). {_EXPECTED} that is whole."
        ) from error
    image = _flat(image, _MODES[channels])
    if (image.height, image.width) != (height, width):
        image = _centre(image, height, width)
    return np.asarray(image, np.float32).reshape(height, width, channels) / 255


def _read(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
            # Nothing is decoded yet: this is what the header says.
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"{path} is too large an image: {image.width:,} x {image.height:,} pixels; expected "
                    f"{MOST_PIXELS:,} at most. {_SCALE_DOWN}"
                )
            _check_tiles(path, image)
            if _has_deep_channels(image):
                raise InputError(
                    f"{path} has more than 8 bits a channel. Expected 8: save it with 8 bits a channel first."
                )
            return ImageOps.exif_transpose(image)


def _check_tiles(path: Path, image: ImageFile.ImageFile) -> None:
    """Checks the pieces of an image, each decoded whole: those of a TIFF may be larger than the image, or very many."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    width, height = (tags.get(tag, 0) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH))
    if not isinstance(width, int) or not isinstance(height, int):
        raise ValueError("its tiles have no size")
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{path} has tiles of {width:,} x {height:,} pixels; expected {MOST_PIXELS:,} at most. Save it anew with "
            "smaller ones."
        )
    if len(image.tile) > MOST_TILES:
        raise InputError(
            f"{path} has {len(image.tile):,} tiles; expected {MOST_TILES:,} at most. Save it anew with larger ones."
        )


def _has_deep_channels(image: ImageFile.ImageFile) -> bool:
    """Whether a channel has more than 8 bits: grey that Pillow keeps so, or colours that it would cut to 8."""
    # How the numbers lie in the file, such as RGB;16B. BMP's BGR;16 is a pixel of 16 bits, not a channel.
    # A tile ends with it; before Pillow 11 tiles are tuples without names.
    arguments = [tile[3] for tile in image.tile]
    raw = [part for one in arguments for part in (one if isinstance(one, tuple) else (one,))]
    deep = any(isinstance(part, str) and ";16" in part and not part.startswith("BGR") for part in raw)
    # In a TIFF each channel may lie for itself, where Pillow no longer says how.
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    deep |= any(bits > 8 for bits in tags.get(TiffImagePlugin.BITSPERSAMPLE, ()))
    return deep or image.mode.startswith(("I", "F"))


def _flat(image: Image.Image, mode: str) -> Image.Image:
    if "A" in image.getbands() or "transparency" in image.info:
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        image = paper
    return image.convert(mode)


def _centre(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = max(round(height * MARGIN) / image.height, round(width * MARGIN) / image.width)
    tall, wide = round(image.height * scale), round(image.width * scale)
    top, left = (tall - height) // 2, (wide - width) // 2
    # Only the crop is resized: of an image far longer than wide, the whole would take gigabytes.
    across, down = image.width / wide, image.height / tall
    box = (left * across, top * down, (left + width) * across, (top + height) * down)
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box)
