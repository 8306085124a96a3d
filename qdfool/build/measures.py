"""From a config to the measures of its archive and the grid over them."""

from collections.abc import Callable
from numbers import Real

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.build.encoding import shapes
from qdfool.build.reference import is_reference, named_object
from qdfool.classifiers.names_check import check_name
from qdfool.config import Config, name_of
from qdfool.errors import OWN, InputError, code_of_a_user, known_name, shown
from qdfool.measures import MEASURES
from qdfool.types import Array, Measure

GRID_EPSILON = 1e-6
"""What `ribs.archives.GridArchive.index_of` adds before it truncates; ours must find the same cell."""
STEPS_PER_CELL = 8
"""float32 steps that a cell must be wide, at least: computing its index rounds by two of them at most."""
ROUNDINGS = 4
"""float32 steps that computing a cell's index may differ by between programs: one an operation."""
NARROWEST_RANGE = 100 * GRID_EPSILON
"""Of a measure: in one that is narrower, the epsilon moves what it is added to by more than 1 % of the range."""


def build_measures(config: Config) -> tuple[Measure, ...]:
    """The measures of a config's archive with the ranges they are mapped over; none for the class archive.

    Raises:
        InputError: unknown measure, or a range that is empty or beyond what the measure can be.
    """
    if config.archive == "class":
        return ()
    return tuple(_measure(name) for name in config.measures)


def grid_ranges(config: Config, measures: tuple[Measure, ...]) -> tuple[tuple[float, float], ...]:
    """(low, high) of each axis of the grid.

    Raises:
        InputError: a range of the config is empty or beyond what its measure can be.
    """
    if config.ranges is None:
        return tuple((measure.low, measure.high) for measure in measures)
    ranges = ((config.ranges[0], config.ranges[1]), (config.ranges[2], config.ranges[3]))
    for measure, (low, high) in zip(measures, ranges, strict=False):
        if not measure.low <= low < high <= measure.high:
            raise InputError(
                f"`ranges` gives {measure.name} from {low:g} to {high:g}. Expected low < high, both within "
                f"[{measure.low:g}, {measure.high:g}], which is all that {measure.name} can be."
            )
    return ranges


def _check_told_apart(name: str, low: float, high: float, cells: int) -> None:
    if not NARROWEST_RANGE <= high - low < float("inf"):
        raise InputError(
            f"The grid maps {name} from {low:g} to {high:g}. Expected a finite range of {NARROWEST_RANGE:g} or more; "
            "scale the measure."
        )
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    most = int((high - low) / (STEPS_PER_CELL * step))
    if cells > most:
        raise InputError(
            f"`cells` gives {name} {cells:,} cells from {low:g} to {high:g}, more than float32 tells apart. Expected "
            f"{most:,} at most."
        )


def _measure(part: str | Measure) -> Measure:
    if isinstance(part, str) and not is_reference(part):
        return MEASURES[known_name("measure", part, MEASURES, OWN)]
    found = named_object(part) if isinstance(part, str) else part
    if not isinstance(found, Measure):
        raise InputError(f"{name_of(part)} is of type {type(found).__name__}. Expected a qdfool.Measure.")
    return found


def check_own_measures(
    config: Config, measures: tuple[Measure, ...], image_shape: tuple[int, int, int]
) -> None:
    """Checks those of the user's own on an image; nothing is computed.

    Raises:
        InputError: one fails, makes no single number, or has no range, or no name of its own.
    """
    image = jax.ShapeDtypeStruct(image_shape, jnp.float32)
    for part, measure in zip(config.measures if measures else (), measures, strict=True):
        if isinstance(part, str) and not is_reference(part):
            continue
        check_name(f"A measure of your own, {shown(name_of(part))},", measure.name)
        if any(other.name == measure.name and other != measure for other in measures):
            raise InputError(
                f"Both measures are called {shown(measure.name)}, and pages and files name what they show. Give one of "
                "them another name."
            )
        for bound in (measure.low, measure.high):
            if isinstance(bound, bool) or not isinstance(bound, Real):
                raise InputError(
                    f"The measure {measure.name} has a range from {shown(measure.low)} to {shown(measure.high)}. "
                    "Expected two numbers."
                )
        for function in (measure.measure, measure.smooth or measure.measure):
            with code_of_a_user(f"The measure {measure.name} failed on an image {list(image_shape)}"):
                answer = jax.eval_shape(function, image)
            # A list of one is none; neither is a typed key, whose dtype is not NumPy's.
            is_number = isinstance(answer, jax.ShapeDtypeStruct) and isinstance(answer.dtype, np.dtype)
            if not is_number or answer.shape != ():
                raise InputError(
                    f"The measure {measure.name} makes {shapes(answer) or 'nothing'} of an image {list(image_shape)}. "
                    "Expected one number, an array of no dimensions."
                )


def build_cell_index(config: Config, measures: tuple[Measure, ...]) -> Callable[[Array], tuple[Array, Array]]:
    """From measures [M] to their cell of the grid, and whether they are all that the measures can be.

    Raises:
        InputError: a range of the config is empty or beyond what its measure can be, or float32 does not tell the
            cells of the grid apart.
    """
    if not measures:
        return lambda values: (jnp.int32(0), jnp.bool_(True))
    ranges = grid_ranges(config, measures)
    for measure, (low, high), count in zip(measures, ranges, config.cells, strict=True):
        _check_told_apart(measure.name, low, high, count)
    low, high = (jnp.array(bounds, jnp.float32) for bounds in zip(*ranges, strict=True))
    least = jnp.array([measure.low for measure in measures], jnp.float32)
    highest = jnp.array([measure.high for measure in measures], jnp.float32)
    cells = jnp.array(config.cells, jnp.int32)

    def cell_index(values: Array) -> tuple[Array, Array]:
        valid = ((least <= values) & (values <= highest)).all()
        along = ((cells * (values - low) + GRID_EPSILON) / (high - low)).astype(jnp.int32)
        along = jnp.clip(along, 0, cells - 1)
        return along[0] * cells[1] + along[1], valid

    return cell_index


def placed(
    config: Config, measures: tuple[Measure, ...], values: np.ndarray, cells: np.ndarray
) -> np.ndarray:
    """[n] bool: whether measures [n, M] can be, and lie in the grid cells [n] that they are said to lie in.

    Up to rounding, in which the programs that compute a cell differ; never by more than half a cell.

    Raises:
        InputError: a range of the config is empty or beyond what its measure can be.
    """
    good = np.ones(len(cells), bool)
    along = np.unravel_index(cells, config.cells)
    for axis, (measure, (low, high)) in enumerate(zip(measures, grid_ranges(config, measures), strict=True)):
        value, count = values[:, axis], config.cells[axis]
        good &= (np.float32(measure.low) <= value) & (value <= np.float32(measure.high))
        place = np.clip(count * (value.astype(np.float64) - low) / (high - low), 0, count)
        step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
        rounding = ROUNDINGS * count * (step / (high - low) + np.finfo(np.float32).eps)
        near = min(0.5, rounding + 2 * GRID_EPSILON / (high - low))
        good &= (along[axis] - near <= place) & (place <= along[axis] + 1 + near)
    return good
