"""The packaged LeNet as a file of other frameworks: the same elites as those of a native run."""

import importlib.util
import io
import logging
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qdfool
from qdfool.build import build_classifier
from qdfool.config import Config, Preprocessing
from qdfool.errors import InputError
from qdfool.types import Classifier

pytestmark = pytest.mark.torch

SHORT = Config(generations=6, batch_size=50, seed=3)


@pytest.fixture(scope="module")
def lenet(torch: Any) -> Any:
    from torch_lenet import network

    return network


@pytest.fixture(scope="module")
def native() -> Classifier:
    return build_classifier(Config(generations=1))


def needs_onnx() -> Any:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install onnxruntime")
    return pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")


def saved(kind: str, network: Any, torch: Any, folder: Any, example: Any = None) -> str:
    """The file of a network, for batches of any size where the kind knows such."""
    path = folder / f"network.{kind}"
    example = torch.zeros(2, 1, 28, 28) if example is None else example
    if kind == "pt":
        torch.jit.save(torch.jit.script(network), str(path))
    elif kind == "pt2":
        batch = torch.export.Dim("batch", min=1, max=4096)
        torch.export.save(torch.export.export(network, (example,), dynamic_shapes=({0: batch},)), str(path))
    elif kind == "onnx":
        needs_onnx()
        axes = {"images": {0: "batch"}, "logits": {0: "batch"}}
        names = {"input_names": ["images"], "output_names": ["logits"], "dynamic_axes": axes}
        torch.onnx.export(network, (example,), str(path), dynamo=False, **names)
    return str(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [pytest.param("pt", marks=pytest.mark.release), "pt2", "onnx"])
def test_a_file_gives_the_elites_of_a_native_run(torch, lenet, native, tmp_path, kind):
    path = saved(kind, lenet, torch, tmp_path)
    found = qdfool.evolve(replace(SHORT, classifier=path), out=tmp_path / "run")
    expected = qdfool.evolve(SHORT)
    np.testing.assert_allclose(found.elites.fitness, expected.elites.fitness, atol=1e-3)
    np.testing.assert_allclose(found.images(), expected.images(), atol=1e-6)
    assert qdfool.resume(tmp_path / "run", generations=7).generations == 7


class Planted:
    """A pickle of it leaves a file where whoever loads it stands."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("planted",)


def pickled(torch: Any, wrapped: bool) -> bytes:
    if not wrapped:
        return pickle.dumps(Planted(), 2)
    content = io.BytesIO()
    torch.save({"a": Planted()}, content)
    return content.getvalue()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("model.pt", lambda torch: pickled(torch, wrapped=False)),
        ("model.pt", lambda torch: pickled(torch, wrapped=True)),
        ("model.json", lambda torch: b"[" * 200_000),
    ],
)
def test_pickles_in_an_exported_file_are_not_run_and_pytorch_logs_nothing(
    torch, lenet, tmp_path, caplog, monkeypatch, part, content
):
    monkeypatch.chdir(tmp_path)
    whole = saved("pt2", lenet, torch, tmp_path)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile("other.pt2", "w") as other:
        assert [name for name in source.namelist() if name.endswith(part)]
        for name in source.namelist():
            other.writestr(name, content(torch) if name.endswith(part) else source.read(name))
    logger = logging.getLogger("torch.export")
    logger.addHandler(caplog.handler)
    caplog.clear()
    try:
        with pytest.raises(InputError, match="cannot be loaded"):
            build_classifier(Config(classifier="./other.pt2"))
    finally:
        logger.removeHandler(caplog.handler)
    assert not Path("planted").exists()
    assert not caplog.records


@pytest.mark.filterwarnings("ignore")
def test_a_keras_file_is_traced_and_gives_the_elites_of_a_native_run(tmp_path):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed: pip install keras")
    from safetensors.numpy import load_file

    from qdfool.classifiers.adapters import keras_file
    from qdfool.classifiers.lenet import PRETRAINED

    keras = keras_file._keras("here")
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(20, 5, name="conv1"),
            layers.MaxPooling2D(),
            layers.Conv2D(50, 5, name="conv2"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(500, activation="relu", name="ip1"),
            layers.Dense(10, name="ip2"),
        ]
    )
    tensors = load_file(PRETRAINED)
    for name in ("conv1", "conv2", "ip1", "ip2"):
        model.get_layer(name).set_weights([tensors[f"{name}/kernel"], tensors[f"{name}/bias"]])
    path = str(tmp_path / "lenet.keras")
    model.save(path)
    own = replace(SHORT, classifier=path)
    found, expected = qdfool.evolve(own), qdfool.evolve(SHORT)
    assert build_classifier(own).traceable
    np.testing.assert_allclose(found.elites.fitness, expected.elites.fitness, atol=1e-3)
    np.testing.assert_allclose(found.images(), expected.images(), atol=1e-6)

    unsafe = keras.Sequential([layers.Input((28, 28, 1)), layers.Lambda(lambda x: x), layers.Flatten()])
    unsafe.save(path)
    with pytest.raises(InputError, match=r"cannot be loaded.*Expected a model that model.save wrote"):
        build_classifier(own)


@pytest.mark.filterwarnings("ignore")
def test_a_fixed_batch_and_a_normalisation(torch, lenet, native, tmp_path):
    """Exported for two images at once, of a network that wants 0 to 255."""

    class Scaled(torch.nn.Module):
        def forward(self, images):
            return lenet(images / 255)

    path = str(tmp_path / "two.pt2")
    torch.export.save(torch.export.export(Scaled(), (torch.zeros(2, 1, 28, 28),)), path)
    config = Config(generations=1, classifier=path, preprocessing=Preprocessing(std=(1 / 255,)))
    images = np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    expected = np.asarray(native.logits(native.parameters, images))
    np.testing.assert_allclose(build_classifier(config).logits({}, images), expected, atol=2e-3)


@pytest.mark.filterwarnings("ignore")
def test_files_that_do_not_fit_are_refused(torch, tmp_path):
    class Two(torch.nn.Module):
        def forward(self, one, other):
            return one.flatten(1) + other.flatten(1)

    class Probabilities(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :10].softmax(1)

    example = torch.zeros(2, 1, 28, 28)
    drops_out = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(784, 10)).train()
    normed = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(2704, 10),
    ).train()
    cases = {
        "weights.pt": (lambda path: torch.save({"weight": example}, path), "Weights alone are no network"),
        "noise.pt": (lambda path: path.write_bytes(b"noise" * 100), "cannot be loaded"),
        "noise.pt2": (lambda path: path.write_bytes(b"noise" * 100), "cannot be loaded"),
        "noise.onnx": (lambda path: path.write_bytes(b"noise" * 100), "cannot be loaded"),
        "two.pt2": (
            lambda path: torch.export.save(torch.export.export(Two(), (example, example)), str(path)),
            "has 2 inputs: 'one', 'other'. Expected one",
        ),
        "trained.pt2": (
            lambda path: torch.export.save(torch.export.export(drops_out, (example,)), str(path)),
            "otherwise alone than beside others, by up to .* it was saved while it was trained",
        ),
        "trained.pt": (
            lambda path: torch.jit.save(torch.jit.trace(drops_out, example, check_trace=False), str(path)),
            "otherwise alone than beside others",
        ),
        "normed.pt": (
            lambda path: torch.jit.save(torch.jit.trace(normed, example, check_trace=False), str(path)),
            "otherwise alone than beside others",
        ),
        "softmax.pt": (
            lambda path: torch.jit.save(torch.jit.script(Probabilities()), str(path)),
            "these are probabilities",
        ),
    }
    for name, (write, message) in cases.items():
        if name.endswith(".onnx"):
            pytest.importorskip("onnxruntime")
        write(tmp_path / name)
        with pytest.raises(InputError, match=message):
            build_classifier(Config(generations=1, classifier=str(tmp_path / name)))


def test_an_onnx_network_of_other_numbers_or_several_inputs_is_refused(torch, tmp_path):
    onnx = needs_onnx()
    from onnx import TensorProto, helper

    def write(kind: int, shapes: list[list[Any]]) -> str:
        inputs = [helper.make_tensor_value_info(f"i{n}", kind, shape) for n, shape in enumerate(shapes)]
        output = helper.make_tensor_value_info("o", kind, None)
        node = helper.make_node("Flatten", ["i0"], ["o"])
        graph = helper.make_graph([node], "g", inputs, [output])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        file = io.BytesIO()
        onnx.save(model, file)
        (tmp_path / "it.onnx").write_bytes(file.getvalue())
        return str(tmp_path / "it.onnx")

    cases = [
        (TensorProto.INT64, [["n", 1, 4, 4]], r"takes 'tensor\(int64\)'"),
        (TensorProto.FLOAT, [["n", 1, 4, 4], ["n", 1]], "has 2 inputs"),
        (TensorProto.FLOAT, [["n", 16]], "a tensor of 2 dimensions"),
    ]
    for kind, shapes, message in cases:
        with pytest.raises(InputError, match=message):
            build_classifier(Config(generations=1, classifier=write(kind, shapes)))


def onnx_network(path: Any, reshaped: int = 8, name: str = "reshape", beside: str = "") -> str:
    """The path of an ONNX file that computes two logits of 2 x 2 grey images, its weights beside it if so named."""
    onnx = needs_onnx()
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32), "w")
    if beside:
        (path.parent / beside).write_bytes(weights.raw_data)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=beside)
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "shape"], ["flat"], name=name),
            helper.make_node("MatMul", ["flat", "w"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weights, numpy_helper.from_array(np.array([reshaped, 4], np.int64), "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)
    return str(path)


def test_weights_beside_an_onnx_file_are_not_read(tmp_path, monkeypatch):
    """Also where they lie in the working directory: a run that goes on would not notice that they changed."""
    monkeypatch.chdir(tmp_path)
    assert build_classifier(Config(generations=1, classifier=onnx_network(tmp_path / "whole.onnx")))
    path = onnx_network(tmp_path / "parted.onnx", beside="weights.bin")
    with pytest.raises(InputError, match="with its weights in it"):
        build_classifier(Config(generations=1, classifier=path))


def test_names_in_an_onnx_file_are_not_printed_as_they_are(tmp_path, capfd):
    path = onnx_network(tmp_path / "failing.onnx", reshaped=7, name="\x1b[31mred\nqdfool: all good\n")
    with pytest.raises(InputError, match=r"\\x1b\[31mred"):
        build_classifier(Config(generations=1, classifier=path))
    assert "\x1b" not in capfd.readouterr().err
