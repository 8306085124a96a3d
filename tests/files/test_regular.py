"""What is opened: files, also with holes, but none that is hardly more than a hole."""

import os
from pathlib import Path

import pytest

from qdfool.files import regular
from qdfool.files.regular import MOST_OF_HOLES, open_regular

PAGE = 1 << 16
"""Bytes that a file system has or has not, whatever its blocks are."""


def file_of(path: Path, data: int, pages: int) -> Path:
    """A file of so many pages, of which some are there, at its end and one apart from the other."""
    with path.open("wb") as file:
        file.truncate(pages * PAGE)
        for page in range(data):
            file.seek((pages - 1 - 2 * page) * PAGE)
            file.write(b"x" * PAGE)
    return path


@pytest.mark.parametrize(
    ("data", "pages", "fine"), [(2, 2 * MOST_OF_HOLES, True), (2, 2 * MOST_OF_HOLES + 1, False)]
)
def test_what_is_nearly_all_holes_is_refused(tmp_path: Path, monkeypatch, data: int, pages: int, fine: bool):
    monkeypatch.setattr(regular, "LARGE", pages * PAGE - 1)
    path = file_of(tmp_path / "file", data, pages)
    if fine:
        with open_regular(path) as file:
            assert file.tell() == 0
            assert file.read(1) == b"\0"
    else:
        with pytest.raises(ValueError, match="nearly all of them are holes"):
            open_regular(path)


def test_a_small_file_may_be_a_hole(tmp_path: Path):
    with open_regular(file_of(tmp_path / "file", 0, 3)) as file:
        assert len(file.read()) == 3 * PAGE


def test_where_the_system_says_nothing_of_holes_there_are_none(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(regular, "LARGE", PAGE)
    monkeypatch.delattr(os, "SEEK_DATA")
    open_regular(file_of(tmp_path / "file", 0, 3)).close()
