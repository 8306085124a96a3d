"""What a network does to an image, counted from its layers: operations, and bytes of the maps between them.

The layers are read off the function as JAX traces it, so that nothing is counted by hand and nothing twice. XLA counts
the same way, but a loop's body once however often it runs, and nothing of what it hands to a library: it counts right
only in a program without loops that has not been compiled yet. There both agree (`xla_operations`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

ONE_EACH = {"add", "sub", "mul", "div", "max", "min", "neg", "add_any"}
"""Primitives that are an operation for each value."""


@dataclass(frozen=True)
class Count:
    """Of a batch."""

    operations: float
    """Additions, multiplications and comparisons of floating-point numbers; a multiply-add is two. Where zeros are put
    around a map they are not multiplied."""
    layer_bytes: float
    """What convolutions, products and poolings read and write, their weights included: what memory moves if nothing
    between two layers stays in a cache."""

    def __add__(self, other: "Count") -> "Count":
        return Count(self.operations + other.operations, self.layer_bytes + other.layer_bytes)


def count(function: Callable[..., Any], *arguments: Any) -> Count:
    """Counts what a traceable function does.

    Args:
        function: without loops over layers, such as a network with its maps channels last. Where it asks for the
            platform, what it has for all but a CPU is counted.
        arguments: its arrays, or their shapes.

    Raises:
        ValueError: it has a loop, or a branch.
    """
    return _of(jax.make_jaxpr(function)(*arguments).jaxpr)


def xla_operations(function: Callable[..., Any], *arguments: Any) -> float:
    """What XLA counts of the program for a GPU before it is compiled; transcendental functions are not among them.

    It is the CPU's XLA that counts, wherever the program is to run: others give no count before they compile.
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        counted: Any = jax.jit(function).trace(*shapes).lower(lowering_platforms=("cuda",)).cost_analysis()
    return float(counted["flops"])


def _of(jaxpr: Any) -> Count:
    total = Count(0.0, 0.0)
    for equation in jaxpr.eqns:
        total += _of_equation(equation)
    return total


def _of_equation(equation: Any) -> Count:
    name, settings = equation.primitive.name, equation.params
    if name == "cond" and (platforms := settings.get("branches_platforms")):
        return _of(settings["branches"][platforms.index(None)].jaxpr)
    if name in ("while", "scan", "cond"):
        raise ValueError(f"a function with a {name} cannot be counted; give one without loops")
    for inner in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if inner in settings:
            return _of(getattr(settings[inner], "jaxpr", settings[inner]))
    out = equation.outvars[0].aval
    if name == "conv_general_dilated":
        return Count(2.0 * _products_of_convolution(equation), _bytes(equation))
    if name == "dot_general":
        (contracted, _), _ = settings["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return Count(2.0 * out.size * math.prod(left[axis] for axis in contracted), _bytes(equation))
    if name.startswith("reduce_window"):
        return Count(out.size * (math.prod(settings["window_dimensions"]) - 1.0), _bytes(equation))
    if name in ("reduce_sum", "reduce_max"):
        return Count(float(equation.invars[0].aval.size - out.size), 0.0)
    if name in ONE_EACH and np.issubdtype(out.dtype, np.floating):
        return Count(float(out.size), 0.0)
    return Count(0.0, 0.0)


def _products_of_convolution(equation: Any) -> int:
    """Multiplications of a value of the map with one of the kernel."""
    settings = equation.params
    images, kernel = (variable.aval.shape for variable in equation.invars)
    outcome = equation.outvars[0].aval.shape
    numbers = settings["dimension_numbers"]
    places = 1
    for axis, (stride, pads) in enumerate(zip(settings["window_strides"], settings["padding"], strict=True)):
        size = images[numbers.lhs_spec[2 + axis]]
        window = kernel[numbers.rhs_spec[2 + axis]]
        places *= _pairs(size, window, outcome[numbers.out_spec[2 + axis]], stride, pads[0])
    batch, channels = (outcome[numbers.out_spec[axis]] for axis in (0, 1))
    return places * batch * channels * kernel[numbers.rhs_spec[1]]


def _pairs(size: int, window: int, outcome: int, stride: int, before: int) -> int:
    """Along one axis, the pairs of an output and a place of the kernel that meet a value and no padding."""
    met = np.arange(outcome)[:, None] * stride - before + np.arange(window)
    return int(((met >= 0) & (met < size)).sum())


def _bytes(equation: Any) -> float:
    variables: Sequence[Any] = (*equation.invars, *equation.outvars)
    return float(sum(variable.aval.size * variable.aval.dtype.itemsize for variable in variables))
