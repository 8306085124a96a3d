"""Weights of other frameworks become ours: read, folded, put in place, and made a classifier.

Strict both ways: every parameter is filled and every tensor is used, or an error names those that are not. A
batch normalisation that follows a convolution only scales and shifts its outputs when a network infers, so it
is folded into the kernel and bias, in float64.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from qdfool.classifiers import pytorch_file
from qdfool.classifiers import weights as weight_files
from qdfool.classifiers.architecture import Architecture, Framework, Variant
from qdfool.classifiers.imagenet import CLASS_NAMES
from qdfool.classifiers.layers import CHANNELS_LAST, Divided, Formulation, exactly
from qdfool.classifiers.weights import Tensors
from qdfool.errors import InputError, listed
from qdfool.types import Array, Classifier, Image, Parameters

RANDOM = "random"
"""In place of a file of weights: He-normal ones, always the same, to measure speed with."""
LISTED = 8
"""A message lists so many names at most."""


def read_weights(path: Path) -> Tensors:
    """Returns the tensors of a safetensors or PyTorch file by name; its content decides which it is.

    Raises:
        InputError: it is neither, missing, damaged, names anything but tensors, or holds NaN or infinity.
    """
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(len(pytorch_file.ROW_OF_PICKLES))
        pytorch = start.startswith((b"PK\x03\x04", pytorch_file.ROW_OF_PICKLES))
        # A safetensors file begins with the length of a header in braces.
        if pytorch or (path.suffix in (".pth", ".pt") and start[8:9] != b"{"):
            return pytorch_file.read(path)
    elif path.suffix in (".pth", ".pt"):
        raise InputError(f"Weights must be a safetensors or PyTorch file; there is none at {path}.")
    return weight_files.read(path)[0]


def port(
    architecture: Architecture, tensors: Tensors, source: Path | str
) -> tuple[Variant, dict[str, np.ndarray]]:
    """Finds out which variant of a network the tensors are, and makes our parameters of them.

    Args:
        architecture: the network.
        tensors: those of a file, by their names there; all may begin with "module.".
        source: where they come from, for the message.

    Returns:
        The variant, and its parameters by path ("stem/kernel"), float32.

    Raises:
        InputError: a parameter has no tensor, a tensor is not used, is not of floating-point numbers or of a wrong
            shape, a variance is negative, or what becomes of the weights is not finite.
    """
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    variant = max(architecture.variants, key=lambda variant: len(_names(variant) & tensors.keys()))
    framework, shapes = variant.framework, _shapes(variant)
    _check(architecture, variant, tensors, source)
    parameters = {}
    for path, (layer, norm) in variant.layers.items():
        kernel = _to_ours(
            tensors[_kernel_name(framework, layer, tensors)], shapes[f"{path}/kernel"], framework
        )
        bias = tensors.get(framework.join(layer, framework.bias), np.zeros(kernel.shape[-1], np.float32))
        if norm is not None:
            scale, shift, mean, variance = (tensors[framework.join(norm, name)] for name in framework.norm)
            kernel, bias = _folded(kernel, bias, scale, shift, mean, variance, variant.epsilon)
        parameters |= {f"{path}/kernel": kernel, f"{path}/bias": bias}
    # Finite weights can become infinite when they are folded into each other.
    weight_files.check_finite(parameters, source)
    return variant, {path: np.asarray(parameter, np.float32) for path, parameter in parameters.items()}


def classifier(
    architecture: Architecture,
    weights: Path | str,
    *,
    image_size: int | None = None,
    formulation: Formulation = CHANNELS_LAST,
    dtype: DTypeLike = jnp.float32,
) -> Classifier:
    """A network with the weights of a file, as a classifier.

    Args:
        architecture: the network.
        weights: a safetensors or PyTorch file, or `RANDOM`.
        image_size: height and width of the images; by default those that the network was trained on.
        formulation: how it is computed.
        dtype: what it is computed in, float32 or bfloat16; the preprocessing and the logits are float32.

    Raises:
        InputError: the network cannot take images of that size, or the file is not one of its weights.
    """
    size = architecture.image_size if image_size is None else image_size
    _check_size(architecture, size)
    if weights == RANDOM:
        variant, fingerprint = architecture.variants[0], ""
        parameters = _random_parameters(variant)
    else:
        path = Path(weights)
        variant, tensors = port(architecture, read_weights(path), path)
        fingerprint = weight_files.fingerprint(path)
        parameters = weight_files.fill(_network(variant.make)[1], tensors, path)
    return Classifier(
        name=architecture.name,
        image_shape=(size, size, 3),
        class_names=CLASS_NAMES,
        parameters=jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), parameters),
        logits=functools.partial(_logits, variant=variant, formulation=formulation, dtype=dtype),
        fingerprint=fingerprint,
    )


def _logits(
    parameters: Parameters, images: Image, *, variant: Variant, formulation: Formulation, dtype: DTypeLike
) -> Array:
    module: Any = nnx.merge(_network(variant.make)[0], parameters)
    divided = isinstance(module, Divided)

    def network(images: Image) -> Array:
        prepared = (images - jnp.asarray(variant.mean)) / jnp.asarray(variant.std)
        with exactly():
            return (module.maps if divided else module)(prepared.astype(dtype), formulation)

    outcome = formulation.run(network, images)
    with exactly():
        logits = module.classify(outcome, formulation) if divided else outcome
    return logits.astype(jnp.float32)


@functools.cache
def _network(make: Callable[[], nnx.Module]) -> tuple[nnx.GraphDef, Parameters]:
    """A network without numbers, and the shapes of its parameters."""
    graph, state = nnx.split(nnx.eval_shape(make))
    return graph, nnx.to_pure_dict(state)


def _random_parameters(variant: Variant) -> Parameters:
    generator = np.random.default_rng(0)
    tensors = {}
    for path, shape in _shapes(variant).items():
        # A bias [C'] is 0; a kernel's last axis is its outputs, all others are its inputs.
        spread = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0
        tensors[path] = generator.standard_normal(shape, np.float32) * np.float32(spread)
    return weight_files.fill(_network(variant.make)[1], tensors, RANDOM)


def _shapes(variant: Variant) -> dict[str, tuple[int, ...]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(_network(variant.make)[1])
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}


def _check_size(architecture: Architecture, size: int) -> None:
    if architecture.fixed and size != architecture.image_size:
        only = architecture.image_size
        raise InputError(
            f"{architecture.name} takes images of {only} x {only} only, because its dense layers do; "
            f"got {size} x {size}. Leave the image size out, or take another network."
        )
    if size < architecture.least_size:
        raise InputError(
            f"{architecture.name} takes images of at least {architecture.least_size} x "
            f"{architecture.least_size}, {architecture.image_size} by default; got {size} x {size}."
        )


def _names(variant: Variant) -> set[str]:
    """All tensors that a file of this variant may have, those that are passed over excepted."""
    framework = variant.framework
    layers = [(layer, (*framework.kernels, framework.bias)) for layer, _ in variant.layers.values()]
    norms = [(norm, framework.norm) for _, norm in variant.layers.values() if norm is not None]
    return {framework.join(place, name) for place, names in layers + norms for name in names}


def _check(architecture: Architecture, variant: Variant, tensors: Tensors, source: Path | str) -> None:
    expected = _expected_shapes(variant, tensors)
    weight_files.check_floating_point({name: tensors[name] for name in expected if name in tensors}, source)
    ignored = tuple(variant.framework.separator + name for name in variant.framework.ignored)
    faults = {
        "missing": [name for name in expected if name not in tensors],
        "not used": [name for name in tensors if name not in expected and not name.endswith(ignored)],
        "of a wrong shape": [
            f"{name} {tensors[name].shape}, expected {' or '.join(map(str, shapes))}"
            for name, shapes in expected.items()
            if name in tensors and tensors[name].shape not in shapes
        ],
        "with a negative variance": [
            name
            for name in tensors
            if name.endswith(variant.framework.norm[-1]) and np.any(tensors[name] < 0)
        ],
    }
    if any(faults.values()):
        clauses = [
            f"{len(names)} {fault}: {listed(names, LISTED)}" for fault, names in faults.items() if names
        ]
        forms = " or ".join(form.name for form in architecture.variants)
        raise InputError(
            f"{source} does not hold the weights of {architecture.name}. Tensors, against those of {variant.name}: "
            f"{'; '.join(clauses)}. Expected: {architecture.description}, 1,000 classes, as in {forms}. "
            "Is the file that of another network or another width?"
        )


def _expected_shapes(variant: Variant, tensors: Tensors) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Name of every tensor that the variant needs, to the shapes that it may have."""
    framework, ours = variant.framework, _shapes(variant)
    expected = {}
    for path, (layer, norm) in variant.layers.items():
        kernel, vector = ours[f"{path}/kernel"], (ours[f"{path}/bias"],)
        expected[_kernel_name(framework, layer, tensors)] = _kernel_shapes(kernel, framework)
        bias = framework.join(layer, framework.bias)
        # Before a batch normalisation a bias does nothing that its shift could not, and is mostly left out.
        if norm is None or bias in tensors:
            expected[bias] = vector
        if norm is not None:
            expected |= dict.fromkeys((framework.join(norm, name) for name in framework.norm), vector)
    return expected


def _kernel_name(framework: Framework, layer: str, tensors: Tensors) -> str:
    names = [framework.join(layer, kernel) for kernel in framework.kernels]
    return next((name for name in names if name in tensors), names[0])


def _kernel_shapes(ours: tuple[int, ...], framework: Framework) -> tuple[tuple[int, ...], ...]:
    """The shapes that a kernel of ours, [h, w, C, C'] or [C, C'] for 1 x 1, may have in a file."""
    *window, inputs, outputs = ours
    height, width = window or (1, 1)
    if framework.outputs_first:
        # As a dense layer it has the flattened map for its inputs.
        return (outputs, inputs, height, width), (outputs, inputs * height * width)
    if inputs == 1:
        return ((height, width, outputs, 1),)  # depthwise
    dense = ((inputs, outputs),) if height == width == 1 else ()
    return ((height, width, inputs, outputs), *dense)


def _to_ours(kernel: np.ndarray, ours: tuple[int, ...], framework: Framework) -> np.ndarray:
    if not framework.outputs_first:
        return kernel.reshape(ours)
    # A flattened map has its values in the order C, h, w.
    kernel = kernel.reshape(_kernel_shapes(ours, framework)[0])
    return kernel.transpose(2, 3, 1, 0).reshape(ours)


def _folded(
    kernel: np.ndarray,
    bias: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias, float64, that do what these and the batch normalisation after them do."""
    factor = scale / np.sqrt(variance.astype(np.float64) + epsilon)
    return kernel * factor, (bias - mean.astype(np.float64)) * factor + shift
