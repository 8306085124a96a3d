"""Weights fetched from a server on this machine, and from a hub that is not there."""

import hashlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from qdfool.build import build_classifier
from qdfool.classifiers import hub as hub_module
from qdfool.classifiers.hub import fetch_hub, fetch_url
from qdfool.classifiers.networks import architecture
from qdfool.config import Config
from qdfool.errors import InputError
from qdfool.files.fetch import NotFetchedError

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = f"net-{SHA256[:8]}.pth"
CLOSED = f"http://127.0.0.1:9/{NAME}"


class Server(ThreadingHTTPServer):
    """`/good`, `/wrong`, `/short` and `/missing`; counts what was asked for."""

    asked = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}/{NAME}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked += 1
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write({"good": CONTENT, "wrong": CONTENT[::-1], "short": CONTENT[:100_000]}[kind])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_file_is_fetched_once_and_its_progress_shown(server, tmp_path, terminal):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=200)
    folder = tmp_path / "new" / "cache"
    path = fetch_url(server.url("good"), NAME, SHA256[:8], folder, console)
    assert path == folder / NAME
    assert path.read_bytes() == CONTENT
    assert NAME in shown.getvalue()
    assert f"Fetching {server.url('good')} (256.0 kB)" in shown.getvalue()
    assert fetch_url(server.url("good"), NAME, SHA256[:8], folder, console) == path
    assert server.asked == 1
    assert fetch_url(CLOSED, NAME, SHA256[:8], folder, console) == path
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_a_damaged_file_in_the_folder_is_fetched_anew(server, tmp_path, quiet):
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    assert fetch_url(server.url("good"), NAME, SHA256[:8], tmp_path, quiet).read_bytes() == CONTENT
    assert server.asked == 1


def test_a_damaged_download_is_refused_with_both_hashes(server, tmp_path, quiet):
    with pytest.raises(InputError) as refusal:
        fetch_url(server.url("wrong"), NAME, SHA256[:8], tmp_path, quiet)
    message = str(refusal.value)
    assert hashlib.sha256(CONTENT[::-1]).hexdigest() in message
    assert f"{SHA256[:8]}... is expected" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "why"), [("short", "it ended after 100,000 of 256,000 bytes"), ("missing", "404")]
)
def test_what_the_server_does_not_give_is_said(server, tmp_path, quiet, path, why):
    with pytest.raises(InputError, match=why) as refusal:
        fetch_url(server.url(path), NAME, SHA256[:8], tmp_path, quiet)
    assert f"fetch {server.url(path)} elsewhere" in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_without_network_it_is_said_what_to_put_where(tmp_path, quiet):
    (tmp_path / NAME).write_bytes(b"half")
    with pytest.raises(InputError) as refusal:
        fetch_url(CLOSED, NAME, SHA256[:8], tmp_path, quiet)
    message = str(refusal.value)
    assert f"fetch {CLOSED} elsewhere and put it at {tmp_path / NAME}" in message
    assert "name the file with `weights`" in message
    assert f"is damaged: its SHA-256 is {hashlib.sha256(b'half').hexdigest()}" in message
    assert (tmp_path / NAME).read_bytes() == b"half"


REPOSITORY, FILE = "timm/net.tv_in1k", "model.safetensors"


class OfflineError(Exception):
    pass


class Hub(ModuleType):
    """What fetch_hub uses of huggingface_hub, over a folder laid out as the library lays it out."""

    def __init__(self, content: bytes | None) -> None:
        super().__init__("huggingface_hub")
        self.content = content
        self.asked: list[bool] = []

    def try_to_load_from_cache(self, repository: str, name: str, cache_dir: Path) -> str | object | None:
        path = self._path(repository, name, cache_dir)
        return str(path) if path.exists() else None

    def hf_hub_download(self, repository: str, name: str, cache_dir: Path, force_download: bool) -> str:
        self.asked.append(force_download)
        if self.content is None:
            raise OfflineError("Cannot reach the hub.")
        path = self._path(repository, name, cache_dir)
        blob = path.parents[2] / "blobs" / SHA256
        for folder in (path.parent, blob.parent):
            folder.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(self.content)
        if not path.is_symlink():
            path.symlink_to(os.path.relpath(blob, path.parent))
        return str(path)

    def hf_hub_url(self, repository: str, name: str) -> str:
        return f"{repository}/{name}"

    def get_hf_file_metadata(self, url: str) -> SimpleNamespace:
        if self.content is None:
            raise OfflineError("Cannot reach the hub.")
        return SimpleNamespace(size=len(self.content))

    def _path(self, repository: str, name: str, cache_dir: Path) -> Path:
        return cache_dir / f"models--{repository.replace('/', '--')}" / "snapshots" / "c0ffee" / name


def install(monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> Hub:
    hub = Hub(content)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return hub


def test_the_hub_is_asked_once(tmp_path, monkeypatch, capsys):
    hub = install(monkeypatch, CONTENT)
    path = fetch_hub(REPOSITORY, FILE, tmp_path)
    url = f"https://huggingface.co/{REPOSITORY}/resolve/main/{FILE}"
    assert capsys.readouterr().err == f"Fetching {url} (256.0 kB)\n"
    assert path.read_bytes() == CONTENT
    assert tmp_path in path.parents
    hub.content = None
    assert fetch_hub(REPOSITORY, FILE, tmp_path) == path
    assert hub.asked == [False]
    assert capsys.readouterr().err == ""


def test_a_kept_file_that_was_damaged_is_fetched_anew(tmp_path, monkeypatch):
    hub = install(monkeypatch, CONTENT)
    path = fetch_hub(REPOSITORY, FILE, tmp_path)
    path.write_bytes(b"half")
    assert fetch_hub(REPOSITORY, FILE, tmp_path).read_bytes() == CONTENT
    assert hub.asked == [False, True]


def test_what_the_hub_gave_damaged_is_refused_with_both_hashes(tmp_path, monkeypatch):
    install(monkeypatch, b"half")
    with pytest.raises(InputError, match="came damaged") as refusal:
        fetch_hub(REPOSITORY, FILE, tmp_path)
    assert hashlib.sha256(b"half").hexdigest() in str(refusal.value)
    assert SHA256 in str(refusal.value)


def test_without_a_hub_it_is_said_what_to_put_where(tmp_path, monkeypatch):
    install(monkeypatch, None)
    with pytest.raises(InputError, match=r"OfflineError: Cannot reach the hub\.") as refusal:
        fetch_hub(REPOSITORY, FILE, tmp_path)
    message = str(refusal.value)
    assert f"{FILE} of https://huggingface.co/{REPOSITORY}" in message
    assert f"put it at {tmp_path / REPOSITORY / FILE}" in message
    assert "name the file with `weights`" in message
    (tmp_path / REPOSITORY).mkdir(parents=True)
    (tmp_path / REPOSITORY / FILE).write_bytes(CONTENT)
    assert fetch_hub(REPOSITORY, FILE, tmp_path) == tmp_path / REPOSITORY / FILE


def test_without_the_library_it_is_said_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'qdfool\[hub\]'.*`weights`"):
        fetch_hub(REPOSITORY, FILE, tmp_path)


def test_the_library_itself_offline(tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="could not be fetched from the Hugging Face hub") as refusal:
        fetch_hub(REPOSITORY, FILE, tmp_path)
    assert f"put it at {tmp_path / REPOSITORY / FILE}" in str(refusal.value)


def test_a_network_is_fetched_from_where_it_can_be(tmp_path, monkeypatch):
    """From the hub; without its library from a plain address; and not at all where nothing is published."""
    monkeypatch.setenv("QDFOOL_CACHE", str(tmp_path))
    asked = []
    monkeypatch.setattr(hub_module, "fetch_url", lambda *a: asked.append(a) or tmp_path / "by-https")
    monkeypatch.setattr(hub_module, "fetch_hub", lambda *a: asked.append(a) or tmp_path / "by-hub")
    assert hub_module.fetch(architecture("alexnet")) == tmp_path / "by-https"
    assert asked.pop() == (
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "alexnet-owt-7be5be79.pth",
        "7be5be79",
        tmp_path,
    )
    install(monkeypatch, CONTENT)
    assert hub_module.fetch(architecture("resnet18")) == tmp_path / "by-hub"
    assert asked.pop() == ("timm/resnet18.tv_in1k", "model.safetensors", tmp_path)
    monkeypatch.setattr(hub_module, "_library", lambda: None)
    assert hub_module.fetch(architecture("resnet18")) == tmp_path / "by-https"
    assert asked.pop()[2] == "f37072fd"
    with pytest.raises(InputError, match="No published weights of mobilenet_v1_025 are known"):
        hub_module.fetch(architecture("mobilenet_v1_025"))


@pytest.mark.parametrize("weights", [None, "hub"])
def test_a_network_without_weights_asks_for_the_published_ones(tmp_path, monkeypatch, weights):
    """And where there is no network, says what to put where."""
    asked = []

    def offline(url: str, *_: object) -> None:
        asked.append(url)
        raise NotFetchedError("no network")

    monkeypatch.setenv("QDFOOL_CACHE", str(tmp_path))
    monkeypatch.setattr(hub_module, "_library", lambda: None)
    monkeypatch.setattr(hub_module, "stream", offline)
    with pytest.raises(InputError, match="no network") as refusal:
        build_classifier(Config(classifier="resnet18", weights=weights))
    assert asked == ["https://download.pytorch.org/models/resnet18-f37072fd.pth"]
    assert f"fetch {asked[0]} elsewhere and put it at {tmp_path / 'resnet18-f37072fd.pth'}" in str(
        refusal.value
    )
