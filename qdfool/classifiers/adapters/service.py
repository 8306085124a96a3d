"""A classifier behind an address: images go there by POST, logits come back.

The protocol, in three lines:

    GET ADDRESS gives JSON, {"image_shape": [H, W, C], "class_names": [K names]}; both may be left out, or all (404).
    POST ADDRESS with an .npy file of images [B, H, W, C], float32 in [0, 1], as application/x-npy, gives logits [B, K]:
    an .npy file as application/x-npy, or application/json, [[K numbers], ...].
"""

import contextlib
import http.client
import io
import json
import math
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import numpy as np

from qdfool.classifiers.adapters.inputs import inputs_of, say
from qdfool.classifiers.names_check import MOST_CLASSES
from qdfool.config import Preprocessing
from qdfool.errors import InputError, described, shown
from qdfool.types import Classifier

SECONDS = 60.0
"""That an answer may take."""
WAITS = (0.5, 2.0, 8.0)
"""Seconds before each further try, where there was no answer or one of a server in trouble."""
AGAIN = (408, 429, 500, 502, 503, 504)
"""Answers after which a service is asked again."""
NOTHING_SAID = (404, 405, 501)
"""Answers to GET of a service that says nothing of itself."""
LONGEST_WORDS = 1 << 22
"""Bytes of what a service says of itself."""
BYTES_A_LOGIT = 32
"""The most that a number takes, as text."""
LARGEST_ANSWER = 1 << 29
"""Bytes, of however many images."""
LONGEST_JSON = 1 << 26
"""Bytes of logits as text, which take ten times that in memory."""
NPY, JSON = "application/x-npy", "application/json"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Images go to the address that was given and to no other."""

    def redirect_request(self, *given: Any, **named: Any) -> None:
        return None


class _InTime(io.RawIOBase):
    """What a socket gives within SECONDS in all: its own timeout is one for each part, of which there may be many."""

    def __init__(self, source: Any, connection: socket.socket) -> None:
        self._source, self._connection = source, connection
        self._latest = time.monotonic() + SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._latest - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._connection.settimeout(left)
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer of which everything is bounded in time: also its headers, what comes before and what after."""

    def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        self.fp: Any = io.BufferedReader(_InTime(self.fp.detach(), sock))


class _Connection(http.client.HTTPConnection):
    response_class = _Answer


class _SafeConnection(http.client.HTTPSConnection):
    response_class = _Answer


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Safe(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SafeConnection, req)


def is_address(name: str) -> bool:
    """Whether a classifier's name is the address of a service."""
    return name.lower().startswith(("http://", "https://"))


def connect(name: str, image_shape: tuple[int, int, int] | None, preprocessing: Preprocessing) -> Classifier:
    """The classifier at an address; see the protocol above.

    Raises:
        InputError: the address is none, or the service does not answer, or says what it may not.
    """
    try:
        parts = urllib.parse.urlsplit(name)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{shown(name)} is no address: {described(error)}.") from error
    if not parts.hostname or port == 0 or not name.isascii() or not name.isprintable() or " " in name:
        raise InputError(f"{shown(name)} is no address. Expected http://HOST:PORT/PATH.")
    if "@" in parts.netloc:
        raise InputError(
            f"The address of {shown(parts.hostname)} has a user's name or password in it, which a run folder would "
            "keep and messages would show. Expected http://HOST:PORT/PATH."
        )
    shape, class_names = _words(name)
    inputs = inputs_of(
        shown(name), None if shape is None else [None, *shape], image_shape, preprocessing, "channels_last"
    )
    say(shown(name), inputs, preprocessing)

    def logits(parameters: Any, images: Any) -> np.ndarray:
        return inputs.in_batches(lambda tensor: _logits(name, tensor), np.asarray(images))

    return Classifier(name, inputs.image_shape, class_names, {}, logits, traceable=False)


def _words(name: str) -> tuple[list[int] | None, Any]:
    """What a service says of itself: the shape of its images and the names of its classes; None where it does not."""
    kind, body = _asked(name, urllib.request.Request(name, headers={"Accept": JSON}), LONGEST_WORDS)
    if kind is None:
        return None, None
    said = _json(name, body)
    if not isinstance(said, dict):
        raise InputError(
            f"{shown(name)} answers GET with {shown(said)}. Expected an object with image_shape and class_names, "
            "or 404."
        )
    shape = said.get("image_shape")
    whole = (
        isinstance(shape, list) and len(shape) == 3 and all(type(size) is int and size > 0 for size in shape)
    )
    if shape is not None and not whole:
        raise InputError(
            f"{shown(name)} says that its image_shape is {shown(shape)}. Expected [height, width, channels]."
        )
    return shape, said.get("class_names")


def _logits(name: str, tensor: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    np.save(file, tensor, allow_pickle=False)
    request = urllib.request.Request(
        name, file.getvalue(), {"Content-Type": NPY, "Accept": f"{NPY}, {JSON}"}, method="POST"
    )
    kind, body = _asked(name, request, min(BYTES_A_LOGIT * MOST_CLASSES * len(tensor), LARGEST_ANSWER))
    if kind == NPY:
        return npy_logits(name, body, len(tensor))
    if kind == JSON:
        return json_logits(name, body, len(tensor))
    raise InputError(f"{shown(name)} answers with the Content-Type {shown(kind)}. Expected {NPY} or {JSON}.")


def json_logits(name: str, body: bytes, rows: int) -> np.ndarray:
    """Logits [rows, K] of a list of lists.

    Raises:
        InputError: it is none.
    """
    if len(body) > LONGEST_JSON:
        raise InputError(
            f"{shown(name)} answers with more than {LONGEST_JSON:,} bytes of {JSON}. Expected so much as {NPY}."
        )
    # Before it is made objects of: a list of nothing takes thirty times its three characters.
    found = _json(name, body) if body.count(b"[") <= rows + 1 else body.decode(errors="replace")
    try:
        if not all(type(number) in (int, float) for row in found for number in row):
            raise TypeError("a row has what is no number")  # NumPy makes numbers of texts, too.
        return np.array(found, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{shown(name)} answers {shown(found)}. Expected a list of {rows} lists of logits."
        ) from error


def npy_logits(name: str, body: bytes, rows: int) -> np.ndarray:
    """Logits [rows, K] of an .npy file whose header says no more than there is.

    Raises:
        InputError: it is none, or has others.
    """
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, by_columns, dtype = read(file)
    except (
        Exception
    ) as error:  # NumPy has Python's own tokeniser and parser read the header, and they fail in many ways.
        raise InputError(f"{shown(name)} answers with what is no .npy file: {described(error)}.") from error
    if (
        dtype.kind != "f"
        or len(shape) != 2
        or shape[0] != rows
        or not 1 <= shape[1] <= MOST_CLASSES
        or math.prod(shape) * dtype.itemsize != len(body) - file.tell()
    ):
        raise InputError(
            f"{shown(name)} answers with {shown(dtype)} of shape {shown(shape)}. Expected logits [{rows}, K] as "
            "floating-point numbers, all of them."
        )
    return np.frombuffer(body, dtype, offset=file.tell()).reshape(shape, order="F" if by_columns else "C")


def _json(name: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{shown(name)} answers with what is no JSON: {described(error)}.") from error


def _asked(name: str, request: urllib.request.Request, most: int) -> tuple[str | None, bytes]:
    """Content-Type and body of an answer; (None, nothing) where GET finds that there is nothing to be said."""
    opener = urllib.request.build_opener(_NoRedirects, _Plain, _Safe)
    for wait in (*WAITS, None):
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                body = _body(name, answer, most)
                return answer.headers.get_content_type(), body
        except urllib.error.HTTPError as error:
            with error:
                if request.get_method() == "GET" and error.code in NOTHING_SAID:
                    return None, b""
                trouble: BaseException = error
                if error.code not in AGAIN:
                    said = b""
                    with contextlib.suppress(Exception):  # It may end amid what it says, or not end.
                        said = error.read(200)
                    raise InputError(
                        f"{shown(name)} answers {request.get_method()} with {error.code} {shown(error.reason)}"
                        f"{': ' + shown(said.decode(errors='replace')) if said else ''}. Expected 200."
                    ) from error
        except InputError:
            raise
        except (
            Exception
        ) as error:  # A socket's, a handshake's, or http.client's own, of an answer that is none.
            trouble = error
        if wait is None:
            raise InputError(
                f"{shown(name)} did not answer {len(WAITS) + 1} times, {SECONDS:.0f} s each at most: "
                f"{described(trouble)}. Start the service, or mend the address."
            ) from trouble
        time.sleep(wait)
    raise AssertionError("the last try ends in an answer or an error")


def _body(name: str, answer: Any, most: int) -> bytes:
    """The body of an answer, of so many bytes at most."""
    parts, size = [], 0
    while part := answer.read1(1 << 20):
        parts.append(part)
        size += len(part)
        if size > most:
            raise InputError(
                f"{shown(name)} answers with more than {most:,} bytes. Expected logits, and no more."
            )
    expected = answer.headers.get("Content-Length")
    if expected is not None and expected.isdigit() and int(expected) != size:
        raise ConnectionError(f"{size:,} of {expected} bytes came")
    return b"".join(parts)
