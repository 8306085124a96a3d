"""How command lines begin: while they import what they need, and in an environment that is odd."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "qdfool.run",
    "qdfool.train",
    "qdfool.classify",
    "qdfool.studies",
    # These import much before JAX.
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("qdfool.inspect", "qdfool.compare")),
)
SMALL = ("--generations", "1", "--batch-size", "8", "--classifier", "fake:classifier")


def ended(
    command: str, *arguments: str, here: Path = ROOT / "tests/audited", **environment: str
) -> tuple[int, str, str]:
    """Exit code, standard output and error of a command line; its modules are looked for in `here` first."""
    done = subprocess.run(
        [sys.executable, "-m", command, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{ROOT}", **environment},
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def signalled(folder: Path, number: int) -> None:
    """Puts a package in the place of JAX that is sent a signal while it is imported."""
    (folder / "jax").mkdir()
    (folder / "jax" / "__init__.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(30)\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_amid_the_imports_ends_a_command_line_without_a_word(tmp_path, command):
    signalled(tmp_path, signal.SIGINT)
    assert ended(command, here=tmp_path) == (130, "", "")


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_termination_amid_the_imports_has_its_code(tmp_path, name, code):
    signalled(tmp_path, signal.Signals[name])
    assert ended("qdfool.run", here=tmp_path) == (code, "", "")


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """As `nohup` has it."""
    signalled(tmp_path, signal.SIGHUP)
    source = (
        (tmp_path / "jax" / "__init__.py").read_text().replace("time.sleep(30)", "raise ValueError('on')")
    )
    (tmp_path / "jax" / "__init__.py").write_text(source)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code, _, said = ended("qdfool.run", here=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert code == 2
    assert said.startswith("qdfool: cannot start: ValueError: on.")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("JAX_ENABLE_X64", "\x1b[31m", "Mend or unset the environment variable JAX_ENABLE_X64."),
        ("XLA_FLAGS", "--xla_no_such_flag=\x1b[31m", "XLA does not take the environment variable XLA_FLAGS"),
    ],
)
def test_what_jax_does_not_take_is_named_with_its_variable(variable, value, expected):
    code, out, said = ended("qdfool.classify", "--help", **{variable: value})
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert said.startswith("qdfool.classify: cannot start: ")
    assert expected in said
    assert said[:-1].isprintable()


@pytest.mark.slow
def test_an_odd_environment_is_done_without(tmp_path):
    """All at once, up to the one variable that nothing can be done without."""
    code, out, said = ended(
        "qdfool.run",
        *SMALL,
        "--out",
        str(tmp_path / "run"),
        MPLBACKEND="nonsense",
        MPLCONFIGDIR="/dev/null/\x1b[31m",
        HOME="/no/such/home",
        XDG_CACHE_HOME="/dev/null",
        TMPDIR="/no/such/folder",
        LC_ALL="C",
        PYTHONIOENCODING="ascii",
        TERM="nonsense",
        COLUMNS="nonsense",
        JAX_PLATFORMS="nonsense",
    )
    assert (code, out) == (2, "")
    *warnings, line = said.splitlines()
    assert line.startswith("qdfool: JAX finds no device to compute on: ")
    assert "JAX_PLATFORMS='nonsense'" in line
    assert "mend or unset it" in line
    assert all(warning.isprintable() for warning in warnings)
    assert all("mkdir" in warning or "Matplotlib" in warning for warning in warnings)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("columns", ["0", "1", "-5", "9" * 30])
def test_any_width_will_do(monkeypatch, columns):
    from qdfool.cli.start import NARROWEST, WIDEST, _give_a_width

    monkeypatch.setenv("COLUMNS", columns)
    _give_a_width()
    assert NARROWEST <= int(os.environ["COLUMNS"]) <= WIDEST


@pytest.mark.slow
def test_help_for_one_column_ends():
    """tyro breaks lines for ever; COLUMNS also stands for a terminal that is so narrow."""
    code, out, said = ended("qdfool.run", "--help", COLUMNS="1")
    assert (code, said) == (0, "")
    assert "--generations" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "redirected"),
    [
        # What goes together goes at once: each is a process that imports, compiles and draws.
        (
            {
                "MPLBACKEND": "nonsense",
                "HOME": "/no/such/home",
                "TMPDIR": "/no/such/folder",
                "XDG_CACHE_HOME": "/dev/null",
                "MPLCONFIGDIR": "/dev/null",
                "PYTHONIOENCODING": "ascii",
                "LC_ALL": "C",
                "COLUMNS": "0",
                "TERM": "nonsense",
            },
            "",
        ),
        ({"FORCE_COLOR": "1", "TTY_INTERACTIVE": "1", "LINES": "0", "JAX_ENABLE_X64": "1"}, ""),
        ({}, ">&- 2>&- <&-"),
        ({}, "2>/dev/full"),
    ],
)
def test_a_run_is_drawn_whatever_the_environment(tmp_path, changed, redirected):
    command = [sys.executable, "-m", "qdfool.run", *SMALL, "--out", str(tmp_path / "run")]
    done = subprocess.run(
        ["bash", "-c", f'exec "$@" {redirected}', "bash", *command],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests/audited'}{os.pathsep}{ROOT}", **changed},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert {"gallery.png", "curves.png"} <= {path.name for path in (tmp_path / "run").iterdir()}
