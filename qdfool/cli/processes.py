"""Several processes as a command line has them: they come together, notice when one is lost, and end together.

All of it goes through JAX's own runtime (`jax.distributed`): its coordinator, which is process 0, and the store of keys
that it keeps. JAX would end a process with an abort and a trace of its C++ code, where another is lost or the
coordinator does not come. So that a line is said before, a thread here has shorter limits than JAX is given. Only
where process 0 is killed on a host that lives on, JAX knows at once and aborts the others; then the line comes after
that, from a `_Witness`.
"""

import contextlib
import inspect
import math
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import jax

from qdfool.cli.exits import BAD_INPUT, LOST
from qdfool.cli.options import as_options
from qdfool.errors import InputError, described, in_range, one_line, shown, text_of

AUTO = "auto"
"""Value of `coordinator` for what JAX finds out by itself."""
MOST_PROCESSES = 1 << 16
BEAT = 1.0
"""Seconds between two signs of life."""
SILENCE = 30.0
"""Seconds without one, after which a process counts as lost."""
SILENCE_AFTER_FAILURE = 5.0
"""The same, when a computation with the others has failed, so that one of them is probably gone."""
GRACE = 3.0
"""Seconds that a process has to end by itself when another has said why it ends: mostly both do for the same reason."""
LINGER = 10.0
"""Seconds that process 0 waits for the others to end. With it goes the coordinator, and JAX aborts who is left."""
MARGIN = 30
"""Seconds by which JAX's own limits are longer, so that ours are met first."""
KEYS = "qdfool/"
WITNESS = "import sys; [print(line, file=sys.stderr) for line in sys.stdin.read().splitlines()[-1:] if line.strip()]"


@dataclass(frozen=True)
class Processes:
    """Options of the command line about several processes."""

    coordinator: str | None = None
    """Of several processes that evolve one archive together, all with the same command: HOST:PORT of process 0, as all
    can reach it; or auto, under SLURM, Open MPI or Kubernetes and on TPU pods, where JAX finds it out by itself."""
    num_processes: int | None = None
    """How many processes there are in all; with --coordinator HOST:PORT."""
    process_id: int | None = None
    """Which of them this one is, from 0; with --coordinator HOST:PORT."""
    coordinator_timeout: float = 300.0
    """Seconds (1 to 10^6) that a process waits for all to come together."""


def check_options(options: Processes) -> None:
    """Checks that the options make sense together.

    Raises:
        InputError: they do not.
    """
    given = {name: getattr(options, name) for name in ("num_processes", "process_id")}
    there = [f"`{name}`" for name, value in given.items() if value is not None]
    in_range("`coordinator_timeout`", options.coordinator_timeout, 1, 10**6)
    if options.coordinator in (None, AUTO):
        if there:
            raise InputError(
                f"{' and '.join(there)} must come with `coordinator` HOST:PORT, the address of process 0; got "
                f"{'no `coordinator`' if options.coordinator is None else '`coordinator` auto, which finds out both'}."
            )
        return
    host, colon, port = options.coordinator.rpartition(":")
    if not host or not colon or not port.isdecimal() or not 0 < int(port[:6]) < 1 << 16:
        raise InputError(
            f"`coordinator` must be HOST:PORT, the address of process 0, or auto; got {shown(options.coordinator)}."
        )
    if options.num_processes is None or options.process_id is None:
        missing = " and ".join(f"`{name}`" for name, value in given.items() if value is None)
        raise InputError(f"`coordinator` {shown(options.coordinator)} needs {missing}, too.")
    in_range("`num_processes`", options.num_processes, 1, MOST_PROCESSES)
    in_range("`process_id`", options.process_id, 0, options.num_processes - 1)


@contextlib.contextmanager
def together(options: Processes, program: str) -> Iterator["Watch | None"]:
    """While it lasts, this process is one of those that the options name. They end together: where one fails or is
    lost, the others end with a line that names it.

    Args:
        options: checked.
        program: what its lines begin with.

    Raises:
        InputError: JAX cannot bring the processes together.
    """
    if options.coordinator is None:
        yield None
        return
    _join(options, program)
    watch = Watch(program)
    try:
        yield watch
    except BaseException as error:
        watch.leave(error)
        raise
    watch.finish()


def _join(options: Processes, program: str) -> None:
    """Brings the processes together, before JAX looks for devices."""
    settings: dict[str, Any] = {"jax_enable_preemption_service": False}  # It would take SIGTERM for itself.
    if getattr(jax.config, "jax_cpu_collectives_implementation", "") in (None, "none"):
        settings["jax_cpu_collectives_implementation"] = "gloo"
    for name, value in settings.items():
        if hasattr(jax.config, name):
            jax.config.update(name, value)
    limit = options.coordinator_timeout
    known = inspect.signature(jax.distributed.initialize).parameters
    limits: dict[str, Any] = {
        "initialization_timeout": math.ceil(limit) + MARGIN,
        "heartbeat_timeout_seconds": math.ceil(SILENCE) + MARGIN,
        "shutdown_timeout_seconds": MARGIN,
    }
    address = None if options.coordinator == AUTO else options.coordinator
    where = f" at {address}" if address else ""
    if options.process_id == 0:
        late = (
            f"Not all {options.num_processes:,} processes have come to the coordinator{where}, this process,"
        )
    else:
        late = f"The coordinator{where}, which is process 0, has not answered with all processes"
    said = f"{late} within {limit:,g} s. Start all of them, with the same `coordinator` that all can reach."
    timer = threading.Timer(limit, _end, (f"{program}: {said}", BAD_INPUT))
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            address,
            options.num_processes,
            options.process_id,
            **{name: value for name, value in limits.items() if name in known},
        )
    except Exception as error:
        how = (
            "Give `coordinator` HOST:PORT, `num_processes` and `process_id`: JAX finds them out under SLURM, Open MPI "
            "or Kubernetes and on TPU pods only."
            if options.coordinator == AUTO
            else "Give the address of process 0, with a port that is free there."
        )
        raise InputError(
            f"The processes cannot come together: {text_of(error).rstrip('.')}. {how}"
        ) from error
    finally:
        timer.cancel()


class Watch:
    """Signs of life of all processes, and the end of this one where another is lost.

    Each process counts up under a key of its own in the coordinator's store, and reads those of the others.
    """

    def __init__(self, program: str) -> None:
        """Begins at once, in threads of its own."""
        self._program, self._advice = program, ""
        self._own, self._processes = jax.process_index(), jax.process_count()
        self._witness = _Witness() if self._own else None
        self.advise("")
        self._store = _store()
        self._values: dict[str, str] = {}
        self._changed: dict[str, float] = {}
        self._begun = self._heard = time.monotonic()
        self._silence = SILENCE
        self._over = threading.Event()
        if self._store is not None:
            self._store.key_value_set(f"{KEYS}host/{self._own}", platform.node())
            for work in (self._beat, self._judge):
                threading.Thread(target=work, name=f"processes{work.__name__}", daemon=True).start()

    def advise(self, advice: str) -> None:
        """Takes a sentence that ends the line about a process that was lost."""
        self._advice = advice
        if self._witness is not None:
            self._witness.remember(
                self._line(
                    f"Process {self._own} (on {platform.node()}) has ended without a word: it was killed, or JAX has "
                    "aborted it because process 0, the coordinator, is lost"
                )
            )

    def _line(self, what: str, then: str = "") -> str:
        return one_line(as_options(f"{self._program}: {what}. {then}{self._advice}".rstrip()))

    def finish(self) -> None:
        """Waits until all have finished; the first one may have pictures to draw yet."""
        self._say("done", "yes")
        while self._store is not None and not all(self._said("done", other) for other in self._others()):
            self._listen()
            time.sleep(BEAT / 10)
        self._over.set()
        jax.distributed.shutdown()
        self._dismiss()

    def leave(self, error: BaseException) -> None:
        """Tells the others why this process ends before its time; or ends it, where it fails because one is lost."""
        if _may_be_of_others(error):
            self._silence = min(SILENCE, SILENCE_AFTER_FAILURE)
            time.sleep(self._silence + 2 * BEAT)
        self._over.set()
        self._dismiss()
        self._tell(str(error) if isinstance(error, InputError) else described(error))

    def _tell(self, why: str) -> None:
        """Says why this process ends; the first one ends last."""
        with contextlib.suppress(Exception):  # The coordinator may be what was lost.
            self._say("ended", why)
            until = time.monotonic() + LINGER
            while self._own == 0 and time.monotonic() < until and self._goes_on():
                time.sleep(BEAT / 10)
                self._listen()
            time.sleep(BEAT if self._own == 0 else 0.0)  # For what the others have to print.

    def _goes_on(self) -> bool:
        """Whether another process is there and has not said that it ends."""
        now = time.monotonic()
        return any(
            not self._said("ended", other) and self._silent(other, now) < self._silence
            for other in self._others()
        )

    def _beat(self) -> None:
        count = 0
        while not self._over.wait(BEAT):
            count += 1
            with contextlib.suppress(Exception):  # Whether it lasts is the other thread's to judge.
                self._say("beat", str(count))
                self._listen()

    def _judge(self) -> None:
        while not self._over.wait(BEAT):
            lost = self._lost(time.monotonic())
            if lost is None:
                continue
            self._over.set()
            _print(f"\n{self._line(lost, 'This process ends, too. ')}")
            self._dismiss()
            self._tell(lost)
            os._exit(LOST)

    def _lost(self, now: float) -> str | None:
        """Which process is lost, or has ended before its time."""
        if now - self._heard > self._silence:
            return f"Process 0, the coordinator, has not answered for {now - self._heard:.0f} s"
        for other in self._others():
            name = f"Process {other} (on {self._said('host', other) or 'a host that it has not named'})"
            if self._said("ended", other) and now - self._changed[f"{KEYS}ended/{other}"] > GRACE:
                return f"{name} has ended: {self._said('ended', other).rstrip('.')}"
            silent = self._silent(other, now)
            if silent > self._silence and not self._said("done", other) and not self._said("ended", other):
                return f"{name} is lost: it has given no sign of life for {silent:.0f} s"
        return None

    def _silent(self, process: int, now: float) -> float:
        """Seconds since its last sign of life."""
        return now - self._changed.get(f"{KEYS}beat/{process}", self._begun)

    def _dismiss(self) -> None:
        if self._witness is not None:
            self._witness.remember("")

    def _others(self) -> list[int]:
        return [process for process in range(self._processes) if process != self._own]

    def _said(self, what: str, process: int) -> str:
        return self._values.get(f"{KEYS}{what}/{process}", "")

    def _say(self, what: str, value: str) -> None:
        if self._store is not None:
            self._store.key_value_set(f"{KEYS}{what}/{self._own}", value, allow_overwrite=True)

    def _listen(self) -> None:
        if self._store is None:
            return
        values = dict(self._store.key_value_dir_get(KEYS))
        self._heard = now = time.monotonic()
        self._changed |= {key: now for key, value in values.items() if self._values.get(key) != value}
        self._values = values


class _Witness:
    """A process that says the last line that it was given to remember, when this one has ended."""

    def __init__(self) -> None:
        # In a session of its own, so that Ctrl-C is not meant for it.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WITNESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def remember(self, line: str) -> None:
        """Takes a line in the place of the one before; an empty one is not said."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # Somebody ended it.
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def _store() -> Any:
    """The coordinator's store of keys. JAX has no public name for it: where a version of it keeps it elsewhere, JAX's
    own heartbeats are what ends the process."""
    try:
        from jax._src.distributed import global_state
    except ImportError:
        return None
    client = getattr(global_state, "client", None)
    needed = ("key_value_set", "key_value_dir_get")
    return client if all(hasattr(client, name) for name in needed) else None


def _may_be_of_others(error: BaseException) -> bool:
    """Whether an error may be that a computation with others failed, also where it was to save a checkpoint."""
    if isinstance(error, OSError):
        return error.errno is None
    return isinstance(error, Exception) and not isinstance(error, InputError)


def _end(line: str, code: int) -> NoReturn:
    _print(one_line(as_options(line)))
    os._exit(code)


def _print(text: str) -> None:
    """Onto standard error, whatever the other threads are doing."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="backslashreplace"))
