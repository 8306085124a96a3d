"""Every network gives the logits of torchvision's or timm's own, with all numbers random."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from qdfool.classifiers.architecture import KERAS, TORCH, Variant
from qdfool.classifiers.batch_minor import BATCH_MINOR
from qdfool.classifiers.layers import CHANNELS_LAST, Formulation
from qdfool.classifiers.networks import architecture
from qdfool.classifiers.porting import classifier
from qdfool.classifiers.winograd import Winograd
from qdfool.engine.objectives import log_odds
from qdfool.types import Classifier

pytestmark = pytest.mark.torch

RELATIVE_ERROR = 1e-4
"""Largest difference of two logits over the largest logit."""


@pytest.fixture
def randomised(torch: Any) -> Callable[[Any], Any]:
    """He-uniform weights, and statistics of batch normalisations that are all different."""

    def randomise(network: Any) -> Any:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                if tensor.ndim > 1:
                    bound = (6 / tensor[0].numel()) ** 0.5
                    tensor.uniform_(-bound, bound, generator=generator)
                elif name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                elif tensor.is_floating_point():
                    tensor.uniform_(-0.2, 0.2, generator=generator)
        return network.eval()

    return randomise


def _images(size: int) -> np.ndarray:
    """Coarse patterns, for noise looks like noise to a random network."""
    coarse = np.random.default_rng(0).random((2, 7, 7, 3), np.float32)
    return np.asarray(jax.image.resize(coarse, (2, size, size, 3), "linear")).clip(0, 1)


def _expected(torch: Any, network: Any, images: np.ndarray, variant: Variant) -> np.ndarray:
    mean, std = (np.array(colours, np.float32) for colours in (variant.mean, variant.std))
    prepared = (images - mean) / std
    with torch.no_grad():
        return network(torch.from_numpy(prepared.transpose(0, 3, 1, 2).copy())).numpy()


def _relative_error(ours: Classifier, images: np.ndarray, expected: np.ndarray) -> float:
    logits = np.asarray(jax.jit(ours.logits)(ours.parameters, images))
    assert np.isfinite(expected).all()
    # The logits tell the two images apart, so that it is not the biases which agree.
    assert np.abs(expected[0] - expected[1]).max() > 1e-2 * np.abs(expected).max()
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


def _compare(
    name: str,
    network: Any,
    torch: Any,
    folder: Path,
    image_size: int | None = None,
    formulation: Formulation = CHANNELS_LAST,
) -> None:
    """From a `.pth` and from a safetensors file: the same parameters, and the reference's logits."""
    torch.save(network.state_dict(), folder / "network.pth")
    tensors = {key: tensor.contiguous().numpy() for key, tensor in network.state_dict().items()}
    save_file(tensors, folder / "network.safetensors")
    ours = classifier(
        architecture(name), folder / "network.pth", image_size=image_size, formulation=formulation
    )
    same = classifier(architecture(name), folder / "network.safetensors", image_size=image_size)
    jax.tree.map(np.testing.assert_array_equal, ours.parameters, same.parameters)
    for file in folder.iterdir():
        file.unlink()  # half a gigabyte, some of them
    images = _images(ours.image_shape[0])
    variant = ours.logits.keywords["variant"]  # type: ignore[attr-defined]
    error = _relative_error(ours, images, _expected(torch, network, images, variant))
    print(f"{name}: relative error {error:.1e}")
    assert error < RELATIVE_ERROR


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        pytest.param("alexnet", "alexnet", marks=pytest.mark.release),
        ("squeezenet1_0", "squeezenet1_0"),
        ("squeezenet1_1", "squeezenet1_1"),
        pytest.param("vgg16", "vgg16", marks=pytest.mark.slow),
        ("resnet18", "resnet18"),
        ("resnet50", "resnet50"),
        ("mobilenet_v2", "mobilenet_v2"),
    ],
)
def test_torchvision(name, reference, torchvision, torch, randomised, tmp_path):
    """In the formulation that a CPU has, an image at a time, but for AlexNet and the MobileNet."""
    network = randomised(getattr(torchvision.models, reference)())
    formulation = CHANNELS_LAST if name in ("alexnet", "mobilenet_v2") else Winograd(1)
    _compare(name, network, torch, tmp_path, formulation=formulation)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        pytest.param("vgg16", "vgg16", marks=pytest.mark.slow),
        ("resnet18", "resnet18"),
        ("mobilenet_v1_100", "mobilenetv1_100"),
        ("mobilenet_v1_125", "mobilenetv1_125"),
        ("mobilenet_v2", "mobilenetv2_100"),
        pytest.param("inception_resnet_v2", "inception_resnet_v2", marks=pytest.mark.slow),
    ],
)
def test_timm(name, reference, timm, torch, randomised, tmp_path):
    network = randomised(timm.create_model(reference))
    ours = architecture(name)
    settings = network.pretrained_cfg
    (variant,) = [variant for variant in ours.variants if "timm" in variant.name]
    assert (settings["mean"], settings["std"]) == (variant.mean, variant.std)
    assert settings["input_size"] == (3, ours.image_size, ours.image_size)
    _compare(name, network, torch, tmp_path)


@pytest.mark.parametrize(
    ("name", "reference", "size"),
    [
        ("squeezenet1_0", "squeezenet1_0", 131),
        ("squeezenet1_1", "squeezenet1_1", 97),
        ("resnet18", "resnet18", 97),
        ("mobilenet_v2", "mobilenet_v2", 75),
    ],
)
def test_images_of_another_size(name, reference, size, torchvision, torch, randomised, tmp_path):
    network = randomised(getattr(torchvision.models, reference)())
    _compare(name, network, torch, tmp_path, image_size=size)


@pytest.mark.parametrize("formulation", [BATCH_MINOR, CHANNELS_LAST], ids=["batch minor", "channels last"])
def test_the_gradient_of_log_odds(formulation, timm, torch, randomised, tmp_path):
    network = randomised(timm.create_model("mobilenetv1_100"))
    tensors = {name: tensor.contiguous().numpy() for name, tensor in network.state_dict().items()}
    save_file(tensors, tmp_path / "network.safetensors")
    weights, size, classes = tmp_path / "network.safetensors", 96, [281, 967]
    ours = classifier(architecture("mobilenet_v1_100"), weights, image_size=size, formulation=formulation)
    variant = ours.logits.keywords["variant"]  # type: ignore[attr-defined]
    images = _images(size)
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).requires_grad_()
    mean, std = (torch.tensor(colours).reshape(1, 3, 1, 1) for colours in (variant.mean, variant.std))
    logits = network((given - mean) / std)
    others = logits.scatter(1, torch.tensor(classes)[:, None], -torch.inf)
    (logits[[0, 1], classes] - others.logsumexp(1)).sum().backward()
    expected = given.grad.numpy().transpose(0, 2, 3, 1)

    def score(images: Any) -> Any:
        return jax.vmap(log_odds)(ours.logits(ours.parameters, images))[np.arange(2), np.array(classes)].sum()

    found = np.asarray(jax.jit(jax.grad(score))(images))
    # No value of these images is so near a corner of ReLU6 that rounding decides on its side. Of a trained network and
    # noise some are, and then float32 gradients differ by percents, PyTorch's own from its float64 one too.
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"relative error {error:.1e}")
    assert error < RELATIVE_ERROR


@pytest.mark.parametrize("size", [96, 97])
@pytest.mark.parametrize(
    ("name", "timm_name"), [("mobilenet_v1_100", "mobilenetv1_100"), ("mobilenet_v2", "mobilenetv2_100")]
)
def test_keras_mobilenets(name, timm_name, size, timm, torch, randomised, tmp_path):
    # timm builds it with TensorFlow's padding and epsilon; names and layouts are then Keras', and how it halves.
    network = randomised(timm.create_model(timm_name, pad_type="same", bn_eps=1e-3))
    weights = {tensor_name: tensor.numpy() for tensor_name, tensor in network.state_dict().items()}
    ours = architecture(name)
    timm_variant, keras = (
        next(variant for variant in ours.variants if variant.name == publisher)
        for publisher in ("timm", "Keras")
    )
    tensors = {f"{keras.layers['classifier'][0]}/bias": weights["classifier.bias"]}
    for path, (layer, norm) in timm_variant.layers.items():
        kernel, depthwise = weights[f"{layer}.weight"], path.endswith("depthwise")
        keras_layer, keras_norm = keras.layers[path]
        if path == "classifier" and name == "mobilenet_v1_100":
            kernel = kernel[:, :, None, None]  # Keras has it as a 1 x 1 convolution
        order = {2: (1, 0), 4: (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)}[kernel.ndim]
        tensors[f"{keras_layer}/{'depthwise_' if depthwise else ''}kernel"] = kernel.transpose(order).copy()
        for theirs, keras_name in zip(TORCH.norm, KERAS.norm, strict=True) if norm else ():
            tensors[f"{keras_norm}/{keras_name}"] = weights[f"{norm}.{theirs}"]
    save_file(tensors, tmp_path / "keras.safetensors")
    for block in network.modules() if name == "mobilenet_v1_100" else ():
        if hasattr(block, "conv_dw") and block.conv_dw.stride == (2, 2):
            channels = block.conv_dw.in_channels
            convolution = torch.nn.Conv2d(channels, channels, 3, 2, groups=channels, bias=False)
            convolution.weight = block.conv_dw.weight
            block.conv_dw = torch.nn.Sequential(torch.nn.ZeroPad2d((0, 1, 0, 1)), convolution)
    ported = classifier(ours, tmp_path / "keras.safetensors", image_size=size)
    images = _images(size)
    assert _relative_error(ported, images, _expected(torch, network, images, keras)) < RELATIVE_ERROR


@pytest.mark.parametrize("size", [96, 97])
def test_folded_mobilenet_v2(size, timm, torch, randomised, tmp_path):
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    network = randomised(timm.create_model("mobilenetv2_100", pad_type="same", bn_eps=1e-3))
    weights = network.state_dict()
    ours = architecture("mobilenet_v2")
    _, timm_variant, folded, _ = ours.variants
    tensors = {}
    for path, (layer, norm) in timm_variant.layers.items():
        name, _ = folded.layers[path]
        kernel, bias = weights[f"{layer}.weight"], weights.get(f"{layer}.bias")
        if norm:
            mean, variance = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
            scale, shift = weights[f"{norm}.weight"], weights[f"{norm}.bias"]
            kernel, bias = fuse_conv_bn_weights(kernel, None, mean, variance, 1e-3, scale, shift)
        order = {2: (1, 0), 4: (2, 3, 0, 1) if path.endswith("depthwise") else (2, 3, 1, 0)}[kernel.ndim]
        tensors[f"{name}/kernel"] = kernel.detach().permute(order).contiguous().numpy()
        tensors[f"{name}/bias"] = bias.detach().numpy()
    save_file(tensors, tmp_path / "folded.safetensors")
    ported = classifier(ours, tmp_path / "folded.safetensors", image_size=size)
    images = _images(size)
    assert _relative_error(ported, images, _expected(torch, network, images, folded)) < RELATIVE_ERROR


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_every_form_of_a_pytorch_file_is_read(zipped, wrapper, torch, tmp_path):
    from qdfool.classifiers import pytorch_file

    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 4, generator=generator)
    tensors = {
        "plain": base,
        "transposed": base.T,
        "part": base[2:4, 1:],
        "parameter": torch.nn.Parameter(base + 1),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "double": base.double(),
        "half": base.half(),
        "brain": base.bfloat16(),
        "count": torch.tensor(7),
    }
    saved = tensors if wrapper is None else {wrapper: tensors, "epoch": 3, "optimiser": {"m": [base + 2]}}
    torch.save(saved, tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
    read = pytorch_file.read(tmp_path / "file.pth")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        assert str(read[name].dtype) == str(tensor.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(read[name].astype(np.float64), tensor.double().numpy())


def test_a_state_dict_of_the_older_format_becomes_a_network(torchvision, torch, randomised, tmp_path):
    network = randomised(torchvision.models.squeezenet1_1())
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, zipped in (("old", False), ("new", True)):
        torch.save(state, tmp_path / f"{name}.pth", _use_new_zipfile_serialization=zipped)
    old, new = (
        classifier(architecture("squeezenet1_1"), tmp_path / f"{name}.pth") for name in ("old", "new")
    )
    jax.tree.map(np.testing.assert_array_equal, old.parameters, new.parameters)
