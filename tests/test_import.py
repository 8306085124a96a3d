"""Importing the package, and a run with checkpoints, change nothing in the user's process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROGRAM = """
import logging, os, signal, sys, tempfile, warnings
from dataclasses import replace
from pathlib import Path

# Not ours to load: `import qdfool` must not need them.
HEAVY = {"matplotlib", "ribs", "sklearn", "scipy", "orbax", "torch", "pandas", "tyro", "PIL", "tensorstore"}
import qdfool
assert not {"jax", "numpy"} & set(sys.modules), "a command line has to be ready for signals before"
import jax
import flax.nnx
loaded = {name.partition(".")[0] for name in sys.modules}


def whole_interface():
    import qdfool

    for name in qdfool.__all__:
        assert getattr(qdfool, name).__name__ == name
    assert set(qdfool.__all__) <= set(dir(qdfool))
    return qdfool


whole_interface()
heavy = ({name.partition(".")[0] for name in sys.modules} - loaded) & HEAVY
assert not heavy, f"import qdfool loads {sorted(heavy)}"
assert Path(qdfool.__file__).is_relative_to(sys.argv[1]), qdfool.__file__
# Again from nothing, so that what other packages change when they are imported is theirs.
for name in [name for name in sys.modules if name.partition(".")[0] == "qdfool"]:
    del sys.modules[name]

import bokeh.models
import matplotlib.pyplot
import numpy as np
import optax
import orbax.checkpoint as ocp
import PIL.Image
import ribs.archives
import ribs.visualize
import safetensors


def process():
    loggers = {name: logging.getLogger(name) for name in (None, "absl", "jax", "orbax", "matplotlib")}
    types = (int, np.ndarray, jax.Array, str)
    handlers = {kind.__name__: ocp.type_handlers.get_type_handler(kind) for kind in types}
    return {
        "loggers": {
            name: (one.level, one.propagate, one.disabled, list(one.handlers), list(one.filters))
            for name, one in loggers.items()
        },
        "logging": (logging.root.manager.disable, logging.lastResort.level),
        "warnings": list(warnings.filters),
        "jax": dict(jax.config.values),
        "orbax": {name: (id(one), dict(vars(one))) for name, one in handlers.items()},
        "matplotlib": (matplotlib.get_backend(), dict(matplotlib.rcParams)),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "path": list(sys.path),
        "hooks": (sys.excepthook, sys.unraisablehook, warnings.showwarning),
        "directory": os.getcwd(),
        "print options": np.get_printoptions(),
        "errors": np.geterr(),
    }


def same_as(before, when):
    after = process()
    for name, value in before.items():
        assert after[name] == value, f"{when} changed {name}: {value} -> {after[name]}"


before = process()
whole_interface()
import qdfool.results.run
from qdfool.build.reference import named_object
from qdfool.results.checkpoint import Checkpoints

same_as(before, "import qdfool")
os.chdir(sys.argv[1] + "/tests/audited")
sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]
before = process()
classifier = named_object("fake:classifier")
config = replace(qdfool.Config(), generations=2, batch_size=12, chunk_seconds=0.05)
with tempfile.TemporaryDirectory() as folder:
    run = qdfool.results.run.Run(config, classifier)
    for _ in run.advance():
        pass
    for _ in range(2):
        checkpoints = Checkpoints(Path(folder) / "checkpoints")
        run.save(checkpoints)
        checkpoints.finish()
        run.restore(checkpoints, [], print)
        checkpoints.close()
    result = run.result()
    assert len(result.archive) == 4
    result.save(Path(folder) / "run")
    qdfool.load(Path(folder) / "run").images()
    qdfool.evolve(config, classifier, out=Path(folder) / "evolved")
    qdfool.resume(Path(folder) / "evolved", classifier, generations=3)
same_as(before, "a run")

# A program's own checkpoints are written from a copy, whatever becomes of the array meanwhile.
assert ocp.type_handlers.get_type_handler(np.ndarray)._deepcopy_host_arrays
"""


@pytest.mark.slow
def test_the_process_is_what_it_was():
    """One process for all, because most of it is importing."""
    root = TESTS.parent
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""


def test_pictures_of_a_class_archive_need_no_pyribs():
    """It takes two seconds to import, which the main job would wait for."""
    program = "import sys, qdfool.results.pictures, qdfool.results.report; sys.exit('ribs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
