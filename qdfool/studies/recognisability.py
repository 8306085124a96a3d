"""Recognisability: how much of a digit an image is, whatever the classifier under audit thinks of it.

Three questions, none of which is put to the classifier that the image was made for:

    agreement  do independently trained judges read the digit in it?
    closeness  how near is the nearest real example?
    strokes    is its ink in strokes, as that of handwriting is, or in specks and blots?

The judges' probability, times the geometric mean of the other two, is one number in [0, 1]: near 1 for real
digits, 0 where one of the three is missing altogether. Images are [n, H, W, 1] in [0, 1], ink bright on dark
paper, as in MNIST. All of it is calculated on the host but for the bars, and none of it is random.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from qdfool.errors import InputError
from qdfool.types import Array

CHUNK = 256
"""Images that are compared with the references at a time."""
BAR_CHUNK = 64
"""Images that are searched for strokes at a time."""
STATIC = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of ink of the static that the nearness of nothing is taken from."""

BLUR = 1.0
"""Pixels: standard deviation of the blur before images are compared for closeness. The eye, too, averages specks
away, and without it a seven with a fifth of its pixels inverted would be about as far as blots are."""

BAR_LENGTH = 7.0
BAR_WIDTHS = (1.5, 3.0)
"""Pixels: a bar that a stroke must hold somewhere. A stroke of MNIST is 2 to 5 wide, and no bend so sharp that a
quarter of its height is not nearly straight."""
BAR_ANGLES = 8
FLANK_GAP, FLANK_WIDTH = 1.0, 2.0
"""Pixels: paper is looked for beside the bar, this far from its edge and this wide."""
BAR_CONTRAST = 0.6
"""How much more of the bar must be ink than of either flank."""
LEAST_STROKE = 12
"""Pixels in the smallest stroke that counts: a bar's length, twice as broad as thin, less a corner or two."""


class Yardstick(NamedTuple):
    """What images are compared with: real examples of one digit, and how near such examples come to them."""

    references: np.ndarray
    """[R, H, W, 1] float32, the real examples."""
    real: float
    """Median correlation, blurred, of real examples that are not among the references with the nearest one."""
    nothing: float
    """What static reaches of it: the correlation that 95 % of such images stay below."""


class Recognisability(NamedTuple):
    """[n] float32 each."""

    agreement: np.ndarray
    """Share of the judges whose class is the target."""
    probability: np.ndarray
    """The judges' mean probability of the target."""
    distance: np.ndarray
    """Root mean square difference of the pixels from the nearest real example."""
    closeness: np.ndarray
    """Correlation, blurred, with the nearest real example: 1 is the median of real ones, 0 what static reaches."""
    strokes: np.ndarray
    """Share of ink in connected strokes."""
    combined: np.ndarray
    """The judges' probability, times the geometric mean of closeness and strokes."""


def recognisability(images: Any, logits: Any, target: int, yardstick: Yardstick) -> Recognisability:
    """How much of the digit `target` each image is.

    Args:
        images: [n, H, W, 1] in [0, 1].
        logits: [J, n, K], what each of J independently trained judges makes of them.
        target: class, 0 to K - 1.
        yardstick: of that digit.

    Raises:
        InputError: shapes that do not fit, or a target that is no class.
    """
    stack = np.asarray(images, np.float32)
    agreed, probability = agreement(logits, target)
    if len(agreed) != len(stack):
        raise InputError(
            f"Expected logits of {len(stack)} images, [judges, images, classes]; got {len(agreed)}."
        )
    span = yardstick.real - yardstick.nothing
    nearest = nearest_correlation(blurred(stack), blurred(yardstick.references))
    closeness = np.clip((nearest - yardstick.nothing) / span, 0.0, 1.0)
    strokes = connected_ink(stack)
    return Recognisability(
        agreement=agreed,
        probability=probability,
        distance=nearest_distance(stack, yardstick.references),
        closeness=closeness.astype(np.float32),
        strokes=strokes,
        combined=(probability * np.sqrt(closeness * strokes)).astype(np.float32),
    )


def halves(examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Real examples [n, ...] for `yardstick` and others to be scored: those of even index, those of odd index.

    What calibrates a yardstick is not measured with it: real ones would then score 1 in the median by definition.
    """
    return examples[::2], examples[1::2]


def yardstick(references: Any, held_out: Any) -> Yardstick:
    """The yardstick of a digit.

    Args:
        references: [R, H, W, 1] in [0, 1], real examples of it.
        held_out: [n, H, W, 1], others, which say how near a real one comes to the nearest of the references. They
            are scored nowhere: see `halves`.

    Raises:
        InputError: no example, or held-out ones that are no nearer than static is.
    """
    examples, others = np.asarray(references, np.float32), np.asarray(held_out, np.float32)
    if not len(examples) or not len(others):
        raise InputError(f"Expected real examples to compare with; got {len(examples)} and {len(others)}.")
    random = np.random.default_rng(0)
    static = [random.random((100, *examples.shape[1:])) < share for share in STATIC]
    soft = blurred(examples)
    found = Yardstick(
        references=examples,
        real=float(np.median(nearest_correlation(blurred(others), soft))),
        nothing=float(np.quantile(nearest_correlation(blurred(np.concatenate(static)), soft), 0.95)),
    )
    if not found.real > found.nothing:
        raise InputError(
            f"The held-out examples are no nearer to the references (correlation {found.real:.3f}) than static "
            f"is ({found.nothing:.3f}). Expected images of the same digit in both."
        )
    return found


def blurred(images: Any) -> np.ndarray:
    """Images [n, H, W, 1] as they are seen from a step further away; outside is dark."""
    return ndimage.gaussian_filter(np.asarray(images, np.float32), (0, BLUR, BLUR, 0), mode="constant")


def agreement(logits: Any, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of judges that call each image the target, and their mean probability of it; [n] each.

    Args:
        logits: [J, n, K].
        target: class, 0 to K - 1.

    Raises:
        InputError: logits of another shape, or a target that is no class.
    """
    outputs = np.asarray(logits, np.float32)
    if outputs.ndim != 3 or not 0 <= target < outputs.shape[2]:
        raise InputError(
            f"Expected logits [judges, images, classes] and one of the classes; got {outputs.shape}, {target}."
        )
    votes = (outputs.argmax(axis=2) == target).mean(axis=0)
    shifted = np.exp(outputs - outputs.max(axis=2, keepdims=True))
    probability = (shifted[:, :, target] / shifted.sum(axis=2)).mean(axis=0)
    return votes.astype(np.float32), probability.astype(np.float32)


def nearest_distance(images: Any, references: Any, *, among: bool = False) -> np.ndarray:
    """[n] root mean square difference of the pixels from the nearest reference.

    0 is a reference itself and 1 the negative of one in black and white. A black image is as near to a digit as
    another such digit is: there is little ink in either. `nearest_correlation` is not deceived by that.

    Args:
        images: [n, ...].
        references: [R, ...], images of the same size.
        among: the images are the references, in their order; each is compared with the others.
    """
    return np.sqrt(-_nearest(_pixels(images), _pixels(references), among))


def nearest_correlation(images: Any, references: Any, *, among: bool = False) -> np.ndarray:
    """[n] highest correlation of the pixels with those of a reference, in [-1, 1].

    Neither brightness nor contrast matters to it. An image of one colour has none: 0.

    Args:
        images: [n, ...].
        references: [R, ...], images of the same size.
        among: the images are the references, in their order; each is compared with the others.
    """
    one, other = _standardised(images), _standardised(references)
    flat = ~one.any(axis=1)
    # Of standardised pixels, the mean square difference is 2 (1 - correlation).
    return np.where(flat, 0.0, 1.0 + 0.5 * _nearest(one, other, among)).astype(np.float32)


def connected_ink(images: Any) -> np.ndarray:
    """[n] share of ink, the pixels brighter than 0.5, that is in connected strokes; 0 without ink.

    To be connected is not enough: half of static is one piece, and so is a white image. Nor is to be thin: so is
    static. A stroke runs on: through each of its pixels goes a straight bar, seven long, that has much more ink
    than what lies to the left and to the right of it. Pixels of such bars that touch one another, at least
    twelve of them, are a stroke. So it is 1 for handwriting, less for what is speckled, little for broad blots,
    nearly 0 for static of any density, and 0 for white and black.

    Args:
        images: [n, H, W, 1] in [0, 1].
    """
    stack = np.asarray(images, np.float32)
    if stack.ndim != 4 or stack.shape[3] != 1:
        raise InputError(f"Expected images [n, height, width, 1]; got {stack.shape}.")
    shares = np.zeros(len(stack), np.float32)
    for start in range(0, len(stack), BAR_CHUNK):
        chunk = stack[start : start + BAR_CHUNK]
        # Of one size, so that the search is compiled once.
        padded = np.pad(chunk, ((0, BAR_CHUNK - len(chunk)), (0, 0), (0, 0), (0, 0)))
        in_bars = np.asarray(_in_bars(padded))
        for row, image in enumerate(chunk):
            shares[start + row] = _connected(in_bars[row]) / max((image > 0.5).sum(), 1)
    return shares


def _connected(mask: np.ndarray) -> int:
    """How many pixels of a mask [H, W] are in pieces of `LEAST_STROKE` or more; corners connect."""
    labelled: Any = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labelled[0].ravel())[1:]
    return int(sizes[sizes >= LEAST_STROKE].sum())


@jax.jit
def _in_bars(images: Array) -> Array:
    """[n, H, W] bool: ink that belongs to a bar."""
    bars, left, right = _bars()
    ink = (images > 0.5).astype(jnp.float32)

    def share(masks: np.ndarray) -> Array:
        return _correlate(ink, jnp.asarray(masks / masks.sum((1, 2), keepdims=True))[:, None])

    found = share(bars) - jnp.maximum(share(left), share(right)) >= BAR_CONTRAST
    # Every pixel of a bar that was found, not only its middle. Bars are symmetric about it.
    covered = _correlate(found.astype(jnp.float32), jnp.asarray(bars[None]))
    return (covered[..., 0] > 0.5) & (ink[..., 0] > 0.5)


def _bars() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bars of every width and angle and the flanks on both sides of each, [bars, side, side] of 0 and 1."""
    reach = int(np.ceil(np.hypot(BAR_LENGTH / 2, BAR_WIDTHS[-1] / 2 + FLANK_GAP + FLANK_WIDTH)))
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    masks = []
    for width in BAR_WIDTHS:
        for angle in np.arange(BAR_ANGLES) * np.pi / BAR_ANGLES:
            along = across * np.cos(angle) + down * np.sin(angle)
            beside = np.round(down * np.cos(angle) - across * np.sin(angle), 6)
            within = np.abs(along) <= BAR_LENGTH / 2
            inner = width / 2 + FLANK_GAP
            outer = inner + FLANK_WIDTH
            masks.append(
                (
                    within & (np.abs(beside) <= width / 2),
                    within & (inner < beside) & (beside <= outer),
                    within & (inner < -beside) & (-beside <= outer),
                )
            )
    bars, left, right = np.array(masks, np.float32).transpose(1, 0, 2, 3)
    return bars, left, right


def _correlate(images: Array, kernels: Array) -> Array:
    """Images [n, H, W, C] with kernels [D, C, side, side] to [n, H, W, D]; outside the image is paper."""
    return jax.lax.conv_general_dilated(
        images, kernels, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")
    )


def _pixels(images: Any) -> np.ndarray:
    pixels = np.asarray(images, np.float32)
    return pixels.reshape(len(pixels), int(np.prod(pixels.shape[1:])))


def _standardised(images: Any) -> np.ndarray:
    """[n, pixels] with mean 0 and mean square 1; all 0 where an image has one colour."""
    pixels = _pixels(images)
    pixels = pixels - pixels.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(pixels**2, axis=1, keepdims=True))
    return np.where(spread > 1e-6, pixels / np.maximum(spread, 1e-6), 0.0).astype(np.float32)


def _nearest(images: np.ndarray, references: np.ndarray, among: bool) -> np.ndarray:
    """[n] the mean square difference from the nearest reference, with its sign turned: 0 is the highest."""
    if images.shape[1] != references.shape[1]:
        raise InputError(f"Expected references of {images.shape[1]} pixels; got {references.shape[1]}.")
    size = images.shape[1]
    lengths = np.sum(references**2, axis=1)
    found = np.empty(len(images), np.float32)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        # |a - b|^2 as a matrix product: thousands of references at once.
        squares = np.sum(chunk**2, axis=1)[:, None] + lengths - 2.0 * chunk @ references.T
        if among:
            row = np.arange(len(chunk))
            squares[row, start + row] = np.inf
        found[start : start + len(chunk)] = squares.min(axis=1)
    return -np.maximum(found, 0.0) / size
