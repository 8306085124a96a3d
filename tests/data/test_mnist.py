import gzip
import hashlib
import io
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from qdfool.data import mnist
from qdfool.data.download import fetch_gzip
from qdfool.data.mnist import IdxFile
from qdfool.errors import InputError
from qdfool.files.fetch import NotFetchedError

DATA = os.environ.get("QDFOOL_DATA")
SHAPES = ((6, 28, 28), (6,), (4, 28, 28), (4,))


def _contents() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 10, shape, dtype=np.uint8) for shape in SHAPES]


def _bytes(values: np.ndarray) -> bytes:
    return np.array([0x800 + values.ndim, *values.shape], ">u4").tobytes() + values.tobytes()


FILES = tuple(
    IdxFile(official.name, values.shape, hashlib.sha256(_bytes(values)).hexdigest())
    for official, values in zip(mnist.FILES, _contents(), strict=True)
)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = (file.name for file in FILES)


def _fill(folder: Path, compressed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, values in zip(FILES, _contents(), strict=True):
        if compressed:
            (folder / f"{file.name}.gz").write_bytes(gzip.compress(_bytes(values)))
        else:
            (folder / file.name).write_bytes(_bytes(values))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("QDFOOL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "qdfool" / "mnist"


def test_a_small_file_of_gigabytes_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _fill(tmp_path)
    (tmp_path / f"{TEST_LABELS}.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    monkeypatch.setattr(gzip, "decompress", lambda _: pytest.fail("it was unpacked whole"))
    with pytest.raises(InputError, match=rf"{TEST_LABELS}\.gz must hold 12 bytes, decompressed; got more"):
        mnist.load(tmp_path, FILES)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_load_reads_all_four(tmp_path: Path, compressed: bool, subfolder: str):
    _fill(tmp_path / subfolder, compressed)
    data = mnist.load(tmp_path, FILES)
    for read, values in zip(data, _contents(), strict=True):
        np.testing.assert_array_equal(read.reshape(values.shape), values)
    assert data.train_images.shape == (6, 28, 28, 1)
    assert data.test_images.dtype == np.uint8
    assert data.test_labels.dtype == np.int32


def test_a_missing_file_says_which_four_to_put_where(tmp_path: Path):
    _fill(tmp_path)
    (tmp_path / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(InputError) as refusal:
        mnist.load(tmp_path, FILES)
    assert str(tmp_path) in str(refusal.value)
    assert all(file.name in str(refusal.value) for file in FILES)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float, compressed: bool):
    _fill(tmp_path, compressed)
    path = tmp_path / (TRAIN_IMAGES + (".gz" if compressed else ""))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=rf"{TRAIN_IMAGES}.*truncated"):
        mnist.load(tmp_path, FILES)


def test_garbage_in_a_gzip_file_is_refused(tmp_path: Path):
    _fill(tmp_path)
    path = tmp_path / f"{TRAIN_IMAGES}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=TRAIN_IMAGES):
        mnist.load(tmp_path, FILES)


def test_one_changed_pixel_is_refused_by_hash(tmp_path: Path):
    _fill(tmp_path, compressed=False)
    path = tmp_path / TEST_IMAGES
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=rf"{TEST_IMAGES}.*SHA-256.*{FILES[2].sha256}"):
        mnist.load(tmp_path, FILES)


@pytest.mark.parametrize(
    ("one", "other"), [(TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS), (TRAIN_LABELS, TEST_LABELS)]
)
def test_swapped_files_are_named(tmp_path: Path, one: str, other: str):
    _fill(tmp_path, compressed=False)
    (tmp_path / one).rename(tmp_path / "aside")
    (tmp_path / other).rename(tmp_path / one)
    (tmp_path / "aside").rename(tmp_path / other)
    with pytest.raises(InputError, match=rf"{one} holds what belongs into {other}.*swapped"):
        mnist.load(tmp_path, FILES)


def test_find_prefers_the_given_folder_then_the_variable_then_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    given, variable = _fill(tmp_path / "given"), _fill(tmp_path / "variable" / "mnist")
    _fill(cache)
    find = partial(mnist.find, files=FILES, mirrors=())
    assert find() == cache
    monkeypatch.setenv("QDFOOL_DATA", str(variable.parent))
    assert find() == variable
    assert find(given) == given
    assert find(tmp_path / "nothing there") == cache


@pytest.mark.parametrize("present", [0, 2])
def test_find_fetches_what_the_cache_lacks(tmp_path: Path, cache: Path, present: int):
    mirror = _fill(tmp_path / "mirror")
    _fill(cache)
    for file in FILES[present:]:
        (cache / f"{file.name}.gz").unlink()
    for file in FILES[:present]:
        (mirror / f"{file.name}.gz").unlink()
    found = mnist.find(files=FILES, mirrors=[f"{(tmp_path / 'empty').as_uri()}/", f"{mirror.as_uri()}/"])
    assert found == cache
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{file.name}.gz" for file in FILES)
    np.testing.assert_array_equal(mnist.load(found, FILES).test_labels, _contents()[3])


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("asked", [True, False])
def test_without_network_find_says_which_four_files_to_put_where(tmp_path: Path, cache: Path, asked: bool):
    folder = tmp_path / "data" if asked else None
    with pytest.raises(InputError) as refusal:
        mnist.find(folder, mirrors=["http://127.0.0.1:9/"])
    message = str(refusal.value)
    assert f"not complete in {folder or cache}." in message
    assert all(file.name in message for file in mnist.FILES)
    assert "CC BY-SA" in message
    assert "127.0.0.1:9" in message


def test_a_mirror_with_other_content_is_passed_over(tmp_path: Path):
    bad, good = _fill(tmp_path / "bad"), _fill(tmp_path / "good")
    name = f"{TEST_LABELS}.gz"
    (bad / name).write_bytes(gzip.compress(b"another"))
    fetch_gzip(name, [f"{bad.as_uri()}/", f"{good.as_uri()}/"], tmp_path / "into", FILES[3].sha256)
    assert (tmp_path / "into" / name).read_bytes() == (good / name).read_bytes()
    with pytest.raises(NotFetchedError, match="another SHA-256"):
        fetch_gzip(name, [f"{bad.as_uri()}/"], tmp_path / "other", FILES[3].sha256)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_fetching_over_http_shows_progress(tmp_path: Path, terminal: bool):
    mirror = _fill(tmp_path / "mirror")
    name = f"{TRAIN_IMAGES}.gz"

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(mirror))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            shown = io.StringIO()
            console = Console(file=shown, force_terminal=terminal, width=120)
            url = f"http://127.0.0.1:{server.server_port}/"
            path = fetch_gzip(name, [url], tmp_path / "into", FILES[0].sha256, console)
        finally:
            server.shutdown()
            thread.join()
    assert path.read_bytes() == (mirror / name).read_bytes()
    assert name in shown.getvalue()
    assert f"Fetching {url}{name} (" in shown.getvalue()


@pytest.mark.skipif(not DATA, reason="QDFOOL_DATA is not set")
def test_the_official_files():
    data = mnist.load(mnist.find(Path(str(DATA))))
    assert data.train_images.shape == (60000, 28, 28, 1)
    assert data.test_images.shape == (10000, 28, 28, 1)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
