"""Files that are written aside: whole or not at all, and never through a link."""

import os
from pathlib import Path

import pytest

from qdfool.files.atomic import atomic_write

PLANTED = {
    "a symbolic link": lambda path, other: path.symlink_to(other),
    "a hard link": lambda path, other: path.hardlink_to(other),
    "a link to nothing": lambda path, other: path.symlink_to(other.with_name("nothing")),
    "a pipe": lambda path, other: os.mkfifo(path),
    "the rest of a killed process": lambda path, other: path.write_text("half of a f"),
}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def planted_as(how: str, name: str, tmp_path: Path) -> tuple[Path, Path]:
    """A folder in which something lies under a name, and the file elsewhere that it may name."""
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.write_text("mine")
    PLANTED[how](folder / name, other)
    return folder, other


@pytest.mark.parametrize("planted", PLANTED)
def test_what_lies_in_the_way_is_replaced_and_what_it_names_is_not_touched(tmp_path, planted):
    folder, other = planted_as(planted, "file", tmp_path)
    with atomic_write(folder / "file") as file:
        file.write(b"ours")
    assert not (folder / "file").is_symlink()
    assert (folder / "file").read_text() == "ours"
    assert other.read_text() == "mine"
    assert names(folder) == ["file"]
    assert names(tmp_path) == ["folder", "other"]


@pytest.mark.parametrize("planted", PLANTED)
def test_rests_of_killed_processes_go_and_what_links_name_stays(tmp_path, planted):
    folder, other = planted_as(planted, ".file.0123abcd.part", tmp_path)
    (folder / ".file2.0123abcd.part").write_text("of another file")
    with atomic_write(folder / "file") as file:
        file.write(b"ours")
    assert other.read_text() == "mine"
    is_link = planted in ("a symbolic link", "a link to nothing")
    assert names(folder) == [*[".file.0123abcd.part"] * is_link, ".file2.0123abcd.part", "file"]


def test_two_who_write_the_same_file_both_write_all_of_it(tmp_path):
    """As processes that fetch the same weights; the last one's stays."""
    path = tmp_path / "file"
    with atomic_write(path) as first:
        first.write(b"one")
        with atomic_write(path) as second:
            second.write(b"two")
        assert path.read_bytes() == b"two"
        first.write(b" and more")
    assert path.read_bytes() == b"one and more"
    assert names(tmp_path) == ["file"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_text("before")
    with pytest.raises(TypeError), atomic_write(tmp_path / "file") as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert (tmp_path / "file").read_text() == "before"
    assert names(tmp_path) == ["file"]
