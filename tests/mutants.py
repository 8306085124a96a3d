"""Do the tests notice a fault in one line? Random mutants of the package, and what kills each of them.

    python -m tests.mutants --count 60 --seed 0 --json mutants.json

A mutant is the package with one node of its syntax tree changed by an operator of mutmut: a number raised, a
comparison turned, an argument left out, a value None. All mutants of all functions in the folders are listed, also
of nested and decorated functions and methods, and `--count` of them drawn with `--seed`. Not listed is what no test
can be asked to notice: docstrings, annotations, and string literals that are messages, which are those inside the
call of an exception or a warning, or after the comma of an assert. Decorators stand outside of functions; calls of
`len` and `isinstance` mutmut leaves alone.

Each drawn mutant is written into a copy of the tree, and pytest run there on the tests that mirror its module; if
they all pass, on the rest of the default suite. It is killed when a test fails, when the tests cannot begin, or when
they take three times as long, and a minute, as without it: first every set of tests has to pass without a mutant.
With `--json` the results are written after each mutant, and a file that is there already is gone on with;
`--mirror-only` leaves out the rest of the suite and those that it might kill, for a second command without it. Whatever
the tests want in the environment (QDFOOL_DATA, JAX_COMPILATION_CACHE_DIR) is passed on.
"""

import argparse
import contextlib
import difflib
import functools
import hashlib
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import NEVER_MUTATE_FUNCTION_CALLS
from mutmut.mutation.mutators import mutation_operators

ROOT = Path(__file__).parents[1]
FOLDERS = ("engine", "genomes", "results")
TEXTS = (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString)
FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Mutant(NamedTuple):
    """A file of the package with one node changed: its path in the tree, its whole code, the change in one line."""

    path: str
    line: int
    code: str
    diff: str


def mutants_of(source: str) -> list[tuple[int, cst.Module, cst.CSTNode, cst.CSTNode]]:
    """Line, module, node and changed node of every mutant of a file's functions."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    return [(line, wrapper.module, *pair) for line, pair in _changes(wrapper.module, positions, 0)]


def mutated(module: cst.Module, node: cst.CSTNode, changed: cst.CSTNode) -> str:
    """The source of `module` with `changed` in the place of `node`."""
    found = module.deep_replace(node, changed)
    assert isinstance(found, cst.Module)
    return found.code


def _changes(
    node: cst.CSTNode, positions: Any, line: int, in_function: bool = False, in_message: bool = False
) -> Iterator[tuple[int, tuple[cst.CSTNode, cst.CSTNode]]]:
    """Line, and node and changed node, of every mutant; operators' tokens have the line of their expression."""
    if isinstance(node, cst.Annotation | cst.Decorator) or (in_message and isinstance(node, TEXTS)):
        return
    if isinstance(node, cst.Expr) and isinstance(node.value, TEXTS):
        return
    called = _name(node.func) if isinstance(node, cst.Call) else ""
    if called in NEVER_MUTATE_FUNCTION_CALLS:
        return
    line = positions[node].start.line if node in positions else line
    if in_function:
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                yield from ((line, (node, changed)) for changed in operator(node))
    in_function = in_function or isinstance(node, cst.FunctionDef)
    in_message = in_message or called.endswith(("Error", "Exception", "Warning")) or called == "warn"
    for child in node.children:
        said = isinstance(node, cst.Assert) and child is node.msg
        yield from _changes(child, positions, line, in_function, in_message or said)


def _name(function: cst.BaseExpression) -> str:
    if isinstance(function, cst.Attribute):
        return function.attr.value
    return function.value if isinstance(function, cst.Name) else ""


def draw(folders: list[str], count: int, seed: int) -> tuple[list[Mutant], int]:
    """`count` mutants, different and such as Python can compile, and of how many they were drawn.

    More with the same seed begin with the same ones.
    """
    files = [path for folder in folders for path in sorted((ROOT / "qdfool" / folder).rglob("*.py"))]
    every = [(str(path.relative_to(ROOT)), *one) for path in files for one in mutants_of(path.read_text())]
    random.Random(seed).shuffle(every)
    drawn: dict[tuple[str, str], Mutant] = {}
    for path, line, module, node, changed in every:
        if len(drawn) == count:
            break
        code = mutated(module, node, changed)
        try:
            compile(code, path, "exec")
        except SyntaxError:
            continue
        if code != module.code:
            drawn.setdefault((path, code), Mutant(path, line, code, _diff(module.code, code)))
    return list(drawn.values()), len(every)


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return " ".join(f"{line[0]} {line[1:].strip()}" for line in list(lines)[2:] if line[0] in "+-")


class Suite:
    """Runs the tests in a copy of the tree."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        names = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in filter(None, subprocess.check_output(names, cwd=ROOT, text=True).split("\0")):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)
        # No bytecode: Python tells files apart by their second and size, in which mutants may agree.
        self.environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        self.environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(tree.parent / "compiled"))
        where = [sys.executable, "-c", "import qdfool; print(qdfool.__file__)"]
        imported = subprocess.check_output(where, cwd=tree, env=self.environment, text=True).strip()
        assert Path(imported).is_relative_to(tree), f"the tests would import {imported} instead of the copy"

    def run(self, arguments: tuple[str, ...], limit: float | None = None) -> tuple[bool, str]:
        """Whether the tests pass, and otherwise the first that fails."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments]
        process = subprocess.Popen(
            command,
            cwd=self.tree,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return False, f"taking longer than {limit:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the workers that it started
            process.wait()
        if -process.returncode in FROM_OUTSIDE:
            raise SystemExit("The tests were ended from outside, which says nothing about the mutant.")
        failed = FAILED.search(output)
        ended = output.strip().rpartition("\n")[2]
        return process.returncode == 0, failed[1] if failed else f"exit code {process.returncode}: {ended}"

    @functools.cache  # noqa: B019 (there is one suite)
    def limit(self, arguments: tuple[str, ...]) -> float:
        """Seconds after which these tests hang; they are run once, without a mutant."""
        start = time.monotonic()
        passed, why = self.run(arguments)
        if not passed:
            raise SystemExit(f"Without a mutant, {' '.join(arguments)} does not pass: {why}")
        seconds = time.monotonic() - start
        print(f"without a mutant {' '.join(arguments)} takes {seconds:.0f} s", flush=True)
        return 3 * seconds + 60

    def killer(self, mutant: Mutant, mirror_only: bool = False) -> str | None:
        """The test that kills a mutant, or None if it survives all of them, or those that mirror its module."""
        mirror = Path("tests", *Path(mutant.path).parts[1:-1])
        while not (self.tree / mirror).is_dir():
            mirror = mirror.parent
        file = self.tree / mutant.path
        before = file.read_text()
        nearest, rest = ("-n0", str(mirror)), ("-n", "auto", "tests", f"--ignore={mirror}")
        stages = (nearest, rest) if mirror != Path("tests") else (("-n", "auto", "tests"),)
        for arguments in stages[: 1 if mirror_only else None]:
            limit = self.limit(arguments)
            file.write_text(mutant.code)
            try:
                passed, why = self.run(arguments, limit)
            finally:
                file.write_text(before)
            if not passed:
                return why
        return None


def main() -> None:
    """Draws, runs and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="mutants to draw (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    parser.add_argument("--folders", nargs="+", default=list(FOLDERS), help="of qdfool/")
    parser.add_argument("--list", action="store_true", help="print the mutants drawn, run nothing")
    parser.add_argument("--mirror-only", action="store_true", help="only the tests that mirror its module")
    parser.add_argument("--only", type=int, metavar="N", help="run the Nth of those drawn alone, also again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write results here, and go on with it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # not without ending the tests
    mutants, of = draw(options.folders, options.count, options.seed)
    lines = [f"{number:3} {one.path}:{one.line} {one.diff}" for number, one in enumerate(mutants)]
    if options.list:
        print("\n".join(lines), f"\n{len(mutants)} of {of:,} mutants", sep="")
        return
    digest = hashlib.sha256("".join(one.path + one.code for one in mutants).encode()).hexdigest()
    report = {
        "seed": options.seed,
        "folders": options.folders,
        "drawn": len(mutants),
        "of": of,
        "mutants": digest,
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("mutmut", "pytest", "jax")},
        },
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "results": {},
    }
    if options.json and options.json.exists():
        former = json.loads(options.json.read_text())
        if former["mutants"] != digest:
            raise SystemExit(
                f"{options.json} is about other mutants: another seed, count or source. Move it away."
            )
        report["results"] = former["results"]
    results: dict[str, Any] = report["results"]
    with tempfile.TemporaryDirectory(prefix="qdfool-mutants-") as folder:
        suite = Suite(Path(folder).resolve() / "tree")
        for number, (mutant, line) in enumerate(zip(mutants, lines, strict=True)):
            if number != options.only and (options.only is not None or str(number) in results):
                continue
            start = time.monotonic()
            killer = suite.killer(mutant, options.mirror_only)
            seconds = round(time.monotonic() - start, 1)
            results[str(number)] = {
                "at": f"{mutant.path}:{mutant.line}",
                "diff": mutant.diff,
                "killed_by": killer,
                "seconds": seconds,
            }
            verdict = f"killed by {killer}" if killer else "SURVIVED"
            print(f"{line}\n    {verdict} ({seconds:.0f} s)", flush=True)
            if options.json and (killer or not options.mirror_only):
                part = options.json.with_name(f"{options.json.name}.part")
                part.write_text(json.dumps(report, indent=1) + "\n")
                part.replace(options.json)
    survivors = [int(number) for number, result in results.items() if result["killed_by"] is None]
    print(
        f"{len(results) - len(survivors)} of {len(results)} killed, drawn from {of:,} with seed {options.seed}"
    )
    print(*(lines[number] for number in sorted(survivors)), sep="\n")


if __name__ == "__main__":
    main()
