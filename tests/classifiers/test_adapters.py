"""Classifiers from files of other frameworks, and services: what they take, and what comes of bad ones."""

import contextlib
import io
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest

import qdfool
from qdfool.build import build_classifier
from qdfool.classifiers.adapters import adapter, service
from qdfool.classifiers.adapters.inputs import inputs_of
from qdfool.config import Config, Preprocessing
from qdfool.errors import InputError

TEMPLATES = np.random.default_rng(0).normal(size=(4 * 5 * 3, 3)).astype(np.float32)
WORDS = {"image_shape": [4, 5, 3], "class_names": ["cat", "dog", "bird"]}
PLAIN = Preprocessing()


def linear(images: np.ndarray) -> np.ndarray:
    return (images.reshape(len(images), -1) - 0.5) @ TEMPLATES


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


class Server:
    """A service on loopback, whose answers a test may change."""

    def __init__(self) -> None:
        self.words: Any = WORDS
        self.answer: Any = lambda images: (200, service.NPY, npy(linear(images)))
        self.asked: list[np.ndarray] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def send(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if code in (301, 302):
                    self.send_header("Location", outer.address)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                if outer.words is None:
                    self.send(404, "text/plain", b"")
                else:
                    self.send(200, service.JSON, json.dumps(outer.words).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append(np.load(io.BytesIO(body)))
                self.send(*outer.answer(outer.asked[-1]))

            def log_message(self, format: str, *words: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/logits"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(service, "WAITS", (0.0, 0.0))
    one = Server()
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_a_service_is_a_classifier(server, tmp_path):
    config = Config(generations=3, batch_size=8, classifier=server.address)
    served = qdfool.evolve(config, out=tmp_path / "served")
    assert served.class_names == ("cat", "dog", "bird")
    local = qdfool.evolve(
        Config(generations=3, batch_size=8, image_shape=(4, 5, 3)), lambda images: linear(np.asarray(images))
    )
    np.testing.assert_allclose(served.images(), local.images())
    np.testing.assert_allclose(served.elites.fitness, local.elites.fitness, rtol=1e-5)
    assert qdfool.resume(tmp_path / "served", generations=4).generations == 4


def test_a_service_may_answer_in_json_and_say_nothing_of_itself(server):
    server.words = None
    server.answer = lambda images: (200, service.JSON, json.dumps(linear(images).tolist()).encode())
    config = Config(generations=1, classifier=server.address, image_shape=(4, 5, 3))
    classifier = build_classifier(config)
    assert classifier.class_names == ("class 0", "class 1", "class 2")
    images = np.random.default_rng(1).random((8, 4, 5, 3), np.float32)
    np.testing.assert_allclose(classifier.logits({}, images), linear(images), rtol=1e-5)


def test_images_are_normalised_and_laid_out_as_the_settings_say(server):
    server.words = None
    server.answer = lambda images: (200, service.NPY, npy(linear(images.transpose(0, 2, 3, 1))))
    settings = Preprocessing(mean=(0.1, 0.2, 0.3), std=(2.0, 4.0, 8.0), layout="channels_first")
    build_classifier(
        Config(generations=1, classifier=server.address, image_shape=(4, 5, 3), preprocessing=settings)
    )
    (asked,) = server.asked
    assert asked.shape == (8, 3, 4, 5)
    white = ((1 - np.array([0.1, 0.2, 0.3])) / [2, 4, 8]).astype(np.float32)
    np.testing.assert_allclose(asked[1], np.broadcast_to(white[:, None, None], (3, 4, 5)))


def test_a_service_in_trouble_is_asked_again(server):
    codes = [503, 500, 200]
    server.answer = lambda images: (codes.pop(0), service.NPY, npy(linear(images)))
    build_classifier(Config(generations=1, classifier=server.address))
    assert not codes


HUGE = io.BytesIO()
np.lib.format.write_array_header_1_0(HUGE, {"descr": "<f4", "fortran_order": False, "shape": (8, 10**12)})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((503, "text/plain", b""), "did not answer 3 times.*503"),
        ((400, "text/plain", b"no \x1b[31m images"), r"answers POST with 400 .*no \\\\?x1b\[31m images"),
        ((302, "text/plain", b""), "answers POST with 302"),
        ((200, "text/html", b"<p>hello"), "Content-Type 'text/html'"),
        ((200, service.NPY, b"nothing"), "no .npy file"),
        ((200, service.NPY, HUGE.getvalue()), r"of shape \(8, 1000000000000\). Expected logits \[8, K\]"),
        ((200, service.NPY, npy(np.zeros((7, 3), np.float32))), r"shape \(7, 3\)"),
        ((200, service.NPY, npy(np.zeros((8, 3), np.int32))), "int32"),
        ((200, service.NPY, npy(np.array([[None] * 3] * 8))), r"dtype\('O'\)"),
        ((200, service.JSON, b"[[1, 2], [3]]"), "Expected a list of 8 lists"),
        ((200, service.JSON, b"[" * 9), "no JSON"),
        ((200, service.JSON, b"[" * 100_000), "Expected a list of 8 lists"),
        ((200, service.JSON, json.dumps([["1.5", "2"]] * 8).encode()), "Expected a list of 8 lists"),
        ((200, service.JSON, json.dumps([[None, 2.5]] * 8).encode()), "Expected a list of 8 lists"),
        ((200, service.JSON, b"[" + b"[]," * 10_000 + b"[]]"), r"answers '\[\[\],\[\]"),
        ((200, service.JSON, json.dumps([[0.2, 0.8]] * 8).encode()), "these are probabilities"),
        ((200, service.JSON, b"[[1e999, 1.0]" + b", [2, 1]" * 7 + b"]"), "got NaN or infinity"),
    ],
)
def test_an_answer_that_is_none_is_refused(server, answer, message):
    server.answer = lambda images: answer
    with pytest.raises(InputError, match=message):
        build_classifier(Config(generations=1, classifier=server.address))


def test_an_answer_without_end_is_not_read(server, monkeypatch):
    monkeypatch.setattr(service, "BYTES_A_LOGIT", 0)
    with pytest.raises(InputError, match="more than 0 bytes"):
        build_classifier(Config(generations=1, classifier=server.address))


def test_a_long_answer_in_json_is_not_made_objects_of(server, monkeypatch):
    monkeypatch.setattr(service, "LONGEST_JSON", 20)
    server.answer = lambda images: (200, service.JSON, json.dumps(linear(images).tolist()).encode())
    with pytest.raises(InputError, match="more than 20 bytes of application/json"):
        build_classifier(Config(generations=1, classifier=server.address))


@contextlib.contextmanager
def raw_service(begin: bytes, again: bytes):
    """The address of one that answers whatever it is asked with some bytes, and then with others without end."""

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(begin)
            while again:
                connection.sendall(again)
                time.sleep(0.02)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)


CHUNKS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "again", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a", "did not answer 1 times"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "did not answer 1 times"),
        (CHUNKS + b"2\r\n{}\r\n0\r\n", b"X: y\r\n", "did not answer 1 times"),
        (CHUNKS, b"1\r\n \r\n", "did not answer 1 times"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 200\r\n\r\n", b"a", "answers GET with 403"),
        (b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"", "answers GET with 403"),
    ],
    ids=["header", "continue", "trailer", "body", "error", "broken error"],
)
def test_an_answer_that_does_not_end_is_given_up(monkeypatch, begin, again, message):
    """Each part of it comes soon enough for a socket."""
    monkeypatch.setattr(service, "WAITS", ())
    monkeypatch.setattr(service, "SECONDS", 0.3)
    with raw_service(begin, again) as address, pytest.raises(InputError, match=message):
        build_classifier(Config(generations=1, classifier=address))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([1], "Expected an object"),
        ({"image_shape": [0, 5, 3]}, r"Expected \[height, width, channels\]"),
        ({"image_shape": [4, 5, "3"]}, r"Expected \[height, width, channels\]"),
        ({"image_shape": [10**9, 5, 3]}, "must be between 1 and 65,536"),
        (WORDS | {"class_names": ["a", "b"]}, "names 2 classes but returns 3"),
        (WORDS | {"class_names": ["a\n", "b", "c"]}, "line break"),
    ],
)
def test_words_of_a_service_are_checked(server, words, message):
    server.words = words
    with pytest.raises(InputError, match=message):
        build_classifier(Config(generations=1, classifier=server.address))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://", "is no address"),
        ("http://127.0.0.1:99999/", "is no address"),
        ("http://me:secret@127.0.0.1:1/", "^The address of '127.0.0.1' has a user's name or password"),
        ("http://127.0.0.1:1/a b", "is no address"),
        ("http://127.0.0.1:1/", "did not answer 3 times"),
    ],
)
def test_an_address_where_nothing_is(monkeypatch, address, message):
    monkeypatch.setattr(service, "WAITS", (0.0, 0.0))
    with pytest.raises(InputError, match=message):
        build_classifier(Config(generations=1, classifier=address))


@pytest.mark.parametrize(
    ("dimensions", "image_shape", "layout", "usual", "expected"),
    [
        ((None, 3, 224, 224), None, "auto", "channels_last", ((224, 224, 3), True, None)),
        ((1, 224, 200, 3), None, "auto", "channels_first", ((224, 200, 3), False, 1)),
        ((None, 1, None, None), (30, 20, 1), "auto", "channels_last", ((30, 20, 1), True, None)),
        ((None, 3, 3, 3), None, "auto", "channels_first", ((3, 3, 3), True, None)),
        ((None, 3, 5, 3), None, "channels_last", "channels_first", ((3, 5, 3), False, None)),
        ((None, 7, 9, 9), (9, 9, 7), "auto", "channels_last", ((9, 9, 7), True, None)),
        (None, None, "auto", "channels_first", ((28, 28, 1), True, None)),
        (None, (9, 8, 3), "auto", "channels_last", ((9, 8, 3), False, None)),
    ],
)
def test_what_a_classifier_takes(dimensions, image_shape, layout, usual, expected):
    found = inputs_of("it", dimensions, image_shape, Preprocessing(layout=layout), usual)
    assert (found.image_shape, found.channels_first, found.batch) == expected


@pytest.mark.parametrize(
    ("dimensions", "image_shape", "preprocessing", "message"),
    [
        ((None, 784), None, PLAIN, "a tensor of 2 dimensions"),
        (
            (None, 3, 224, 224),
            (28, 28, 1),
            PLAIN,
            r"takes images of 224 x 224 x 3 .*got the `image_shape` 28 28 1",
        ),
        (
            (None, 3, 8, 8),
            None,
            Preprocessing(mean=(1.0, 2.0)),
            "`preprocessing.mean` must be a number, or 3",
        ),
        ((None, 3, 10**8, 8), None, PLAIN, "must be between 1 and 65,536"),
        ((2**20, 1, 28, 28), None, PLAIN, "takes 1,048,576 images of 28 x 28 x 1 at once and no fewer"),
    ],
)
def test_what_does_not_go_together_is_said(dimensions, image_shape, preprocessing, message):
    with pytest.raises(InputError, match=message):
        inputs_of("it", dimensions, image_shape, preprocessing, "channels_first")


def test_a_fixed_batch_is_filled():
    inputs = inputs_of("it", (4, 2, 2, 1), None, PLAIN, "channels_last")
    sizes = []

    def total(tensor):
        sizes.append(len(tensor))
        return tensor.sum(axis=(1, 2))

    images = np.random.default_rng(0).random((9, 2, 2, 1), np.float32)
    np.testing.assert_allclose(inputs.in_batches(total, images), images.sum(axis=(1, 2)))
    assert sizes == [4, 4, 4]


@pytest.mark.parametrize("suffix", ["onnx", "pt", "pt2", "keras"])
def test_a_file_that_is_not_there_is_named(tmp_path, suffix):
    path = tmp_path / f"none.{suffix}"
    with pytest.raises(InputError, match=r"Cannot read the classifier .*FileNotFoundError"):
        build_classifier(Config(generations=1, classifier=str(path)))
    path.write_bytes(b"")
    with pytest.raises(InputError, match="must have 1 to"):
        build_classifier(Config(generations=1, classifier=str(path)))


@pytest.mark.parametrize(
    ("suffix", "package"),
    [("onnx", "onnxruntime"), ("pt", "torch"), ("pt2", "torch"), ("keras", "keras")],
)
def test_a_framework_that_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch, suffix, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"anything")
    extra = "onnx" if suffix == "onnx" else package
    with pytest.raises(InputError, match=rf"pip install 'qdfool\[{extra}\]'"):
        build_classifier(Config(generations=1, classifier=str(path)))


@pytest.mark.parametrize("classifier", ["lenet", "mobilenet_v2", "fake:classifier"])
def test_preprocessing_is_of_files_and_services(classifier):
    config = Config(
        generations=1, classifier=classifier, weights=None, preprocessing=Preprocessing(mean=(1.0,))
    )
    with pytest.raises(InputError, match="`preprocessing` is of classifiers that are files or services"):
        build_classifier(config)


def test_names_of_other_kinds_have_no_adapter():
    for name in ("lenet", "package.module:attribute", "a.onnx.py", "weights.pth", "https"):
        assert adapter(name) is None
    for name in ("A.ONNX", "dir/model.pt2", "HTTP://host/", r"C:\model.keras"):
        assert adapter(name) is not None
