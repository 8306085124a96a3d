"""Programs that command lines compiled are kept: where, whose, how many, and not where the user says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qdfool.cli import compiled
from qdfool.cli.compiled import FOLDER, LEAST_SECONDS, SHORTEST, keep_compiled_programs, remedy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """The cache folder, not made yet, of a user who has set nothing."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for variable in (FOLDER, LEAST_SECONDS, "QDFOOL_CACHE"):
        os.environ.pop(variable, None)
    os.environ["XDG_CACHE_HOME"] = str(tmp_path)
    return tmp_path / "qdfool"


def test_they_are_kept_in_the_users_cache_by_processor(cache):
    keep_compiled_programs()
    folder = Path(os.environ[FOLDER])
    assert folder.parent == cache / "compiled"
    assert folder.name == compiled._processor()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert os.environ[LEAST_SECONDS] == SHORTEST


@pytest.mark.parametrize("value", ["", "/tmp/mine"])
def test_what_the_user_has_set_is_left(cache, value):
    os.environ[FOLDER] = value
    keep_compiled_programs()
    assert os.environ[FOLDER] == value
    assert LEAST_SECONDS not in os.environ
    assert not cache.exists()


def test_a_shorter_least_time_of_the_users_is_left(cache):
    os.environ[LEAST_SECONDS] = "7"
    keep_compiled_programs()
    assert (FOLDER in os.environ, os.environ[LEAST_SECONDS]) == (True, "7")


@pytest.mark.parametrize("depth", [0, 1])
def test_a_folder_into_which_others_may_write_is_not_used(cache, depth):
    keep_compiled_programs()
    folder = Path(os.environ.pop(FOLDER))
    (folder, folder.parent)[depth].chmod(0o777)
    keep_compiled_programs()
    assert FOLDER not in os.environ


def test_where_no_folder_can_be_nothing_is_kept(cache):
    cache.write_text("a file")
    keep_compiled_programs()
    assert FOLDER not in os.environ
    os.environ["QDFOOL_CACHE"] = "a\0b"
    keep_compiled_programs()
    assert FOLDER not in os.environ


def test_the_oldest_are_removed(cache, monkeypatch):
    keep_compiled_programs()
    folder = Path(os.environ.pop(FOLDER))
    for age, name in enumerate(("jit_new-cache", "jit_middle-cache", "jit_old-cache")):
        (folder / name).write_bytes(bytes(100))
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    monkeypatch.setattr(compiled, "MOST_BYTES", 250)
    keep_compiled_programs()
    assert sorted(path.name for path in folder.iterdir()) == ["jit_middle-cache", "jit_new-cache"]


def test_what_is_not_of_the_cache_is_never_removed(cache, monkeypatch):
    """The folder may have been there before, with files of the user's own."""
    keep_compiled_programs()
    folder = Path(os.environ.pop(FOLDER))
    own = [folder.parent / "photos" / "holiday-cache", folder / "notes.txt"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    monkeypatch.setattr(compiled, "MOST_BYTES", 0)
    keep_compiled_programs()
    assert all(path.exists() for path in own)


def test_a_link_to_another_folder_is_not_used_and_nothing_there_removed(cache, monkeypatch, tmp_path):
    """Where others may write beside it, as in /tmp, a link may name any folder of the user's."""
    elsewhere = tmp_path / "elsewhere"
    theirs = elsewhere / compiled._processor() / "jit_theirs-cache"
    theirs.parent.mkdir(mode=0o700, parents=True)
    theirs.write_text("mine")
    cache.mkdir()
    (cache / "compiled").symlink_to(elsewhere)
    monkeypatch.setattr(compiled, "MOST_BYTES", 0)
    keep_compiled_programs()
    assert FOLDER not in os.environ
    assert theirs.exists()


def test_a_warning_of_it_says_what_to_do(cache):
    keep_compiled_programs()
    said = "Error reading persistent compilation cache entry for 'jit_step': Error -5"
    assert os.environ[FOLDER] in remedy(said)
    assert not remedy("something else")
    del os.environ[FOLDER]
    assert not remedy(said)


@pytest.mark.slow
def test_a_second_run_compiles_nothing_and_a_damaged_program_costs_a_line(tmp_path):
    """Neither is another's result: the elites are the same."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "JAX_LOG_COMPILES": "0", LEAST_SECONDS: "0"}
    del environment[FOLDER]
    command = [sys.executable, "-m", "qdfool.run", "mnist-direct", "--generations", "2", "--quiet", "--out"]

    def elites(name: str) -> tuple[bytes, str]:
        done = subprocess.run(
            [*command, str(tmp_path / name)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return (tmp_path / name / "elites.npz").read_bytes(), done.stderr

    first, said = elites("first")
    assert not said
    (folder,) = (tmp_path / "qdfool" / "compiled").iterdir()
    programs = {path: path.read_bytes() for path in folder.iterdir()}
    assert any("jit" in path.name for path in programs)
    assert elites("second") == (first, "")
    assert {path: path.read_bytes() for path in folder.iterdir()} == programs
    for path, program in programs.items():
        path.write_bytes(program[: len(program) // 2])
    third, said = elites("third")
    assert third == first
    assert {line.split(":")[0] for line in said.splitlines()} == {"UserWarning"}
    assert str(folder) in said
