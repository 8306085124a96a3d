"""Where files are kept that can be had again."""

from pathlib import Path

from qdfool.files.cache import cache_folder


def test_the_cache_folder(monkeypatch, tmp_path):
    for variable in ("QDFOOL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert cache_folder() == Path.home() / ".cache/qdfool"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "qdfool"
    monkeypatch.setenv("QDFOOL_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
