"""Images as text in a page: exact where they fit, else smaller, and never more than there is room for."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOM, ROOM_PER_CLASS, MOST_ROOM = 2_600_000, 18_000, 19_000_000
"""Characters of a page's images: with so many for ten classes it stays below 5 MB, and below 25 MB however many."""
PART = 64
"""Images that are asked for at once."""
SAMPLE = 24
"""Images that the size of all is judged by, at least."""
SIDES = (224, 160, 128, 96, 72, 56, 40, 28, 20)
"""Of images that are too many, or too large, to be there as they are."""
QUALITY = 80
"""Of WebP."""


@dataclass(frozen=True)
class Form:
    """How images are written."""

    kind: str
    side: int | None
    """The longer side that larger images are scaled down to; None leaves them as they are."""

    def __str__(self) -> str:
        scaled = "" if self.side is None else f" at {self.side} pixels"
        return "pixel by pixel as the classifier saw them" if self.kind == "png" else f"compressed{scaled}"


EXACT = Form("png", None)


@dataclass(frozen=True)
class Thumbnails:
    """The images of a page."""

    form: Form
    data: Sequence[str]
    """Base64 of a file each; empty for those that had no room."""
    side: int
    """The longer side of the images, in pixels."""


def thumbnails(images: Callable[[NDArray[np.intp]], NDArray[np.uint8]], count: int, room: int) -> Thumbnails:
    """`count` images in the best form in which all fit into `room` characters; what does not fit in any is left out,
    the last first.

    Args:
        images: from indices [m] to images [m, H, W, 1 or 3].
        count: how many there are.
        room: characters.
    """
    if not count:
        return Thumbnails(EXACT, [], 0)
    sample = images(np.arange(PART) % count if count > PART else np.arange(count))
    largest = max(sample.shape[1:3])
    if sample.shape[-1] not in (1, 3):  # No picture that a browser shows.
        return Thumbnails(EXACT, [""] * count, largest)
    forms = [EXACT, Form("webp", None), *(Form("webp", side) for side in SIDES if side < largest)]
    while len(forms) > 1 and _characters(sample[:: max(1, len(sample) // SAMPLE)], forms[0]) * count > room:
        forms.pop(0)
    for form in forms[:-1]:
        data = _all(images, count, form, room)
        if all(data):
            return Thumbnails(form, data, largest if form.side is None else form.side)
    return Thumbnails(forms[-1], _all(images, count, forms[-1], room), min(largest, SIDES[-1]))


def _all(
    images: Callable[[NDArray[np.intp]], NDArray[np.uint8]], count: int, form: Form, room: int
) -> list[str]:
    """All images in a form, as long as there is room."""
    data: list[str] = []
    part, used = min(PART, count), 0
    for first in range(0, count, part):
        # The last part is as long as the others, so that one program draws all.
        for image in images(np.arange(first, first + part) % count)[: count - first]:
            text = encoded(image, form) if used < room else ""
            used += len(text)
            data.append(text if used <= room else "")
    return data


def room_for(classes: int) -> int:
    """Characters for the images of a page."""
    return min(MOST_ROOM, ROOM + ROOM_PER_CLASS * max(0, classes - 10))


def encoded(image: NDArray[np.uint8], form: Form) -> str:
    """An image [H, W, 1 or 3] as base64 of a PNG or WebP."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if form.side is not None and max(picture.size) > form.side:
        scale = form.side / max(picture.size)
        width, height = (max(1, round(length * scale)) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    file = io.BytesIO()
    if form.kind == "png":
        picture.save(file, "PNG")
    else:
        picture.save(file, "WEBP", quality=QUALITY, method=2)
    return base64.b64encode(file.getvalue()).decode()


def _characters(sample: NDArray[np.uint8], form: Form) -> float:
    return float(np.mean([len(encoded(image, form)) for image in sample]))
