"""Progress: a live line on a terminal, plain lines elsewhere."""

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from qdfool.analysis import percent
from qdfool.cli.options import option
from qdfool.config import Config
from qdfool.errors import one_line, printable
from qdfool.results.history import Metrics


class Progress:
    """Shows where a run stands. A context manager: the live line ends with it."""

    def __init__(self, config: Config, quiet: bool) -> None:
        self._config = config
        self._console = Console(file=sys.stdout, quiet=quiet, highlight=False, soft_wrap=True)
        live = self._console.is_terminal and not quiet
        self._live = Live(console=self._console, auto_refresh=False) if live else None

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Prints a line of its own, in which a terminal finds nothing to obey."""
        self._console.print(one_line(text), markup=False)

    def show(self, metrics: Metrics) -> None:
        """Shows the metrics of a chunk."""
        line = self._line(metrics)
        if self._live:
            self._live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)
        else:
            self.say(line)

    def summary(self, figures: dict[str, Any], out: Path) -> str:
        """The lines that a run ends with."""
        lines = (
            f"{figures['classes_at_9999']:,} of {figures['classes']:,} classes at 99.99 % or more, "
            f"{figures['classes_at_99']:,} at 99 %; median {percent(figures['median_confidence'])}, "
            f"lowest {percent(figures['min_confidence'])}\n"
            f"{figures['evaluations']:,} evaluations in {figures['seconds']:.1f} s, compilation "
            f"{figures['compile_seconds']:.1f} s{self._ended_by(figures)}; pictures, elites and checkpoints are "
            f"in {printable(str(out))}/"
        )
        cppn = figures.get("cppn")
        if cppn and cppn["refusals"]:
            lines += (
                f"\n{cppn['elites_refused_growth']} elites descend from a CPPN that met the cap of "
                f"{cppn['nodes_cap']} nodes or {cppn['connections_cap']} connections ({cppn['refusals']} times); "
                "--cppn.nodes and --cppn.connections raise it."
            )
        return lines

    def _ended_by(self, figures: dict[str, Any]) -> str:
        name = figures["ended_by"]
        return f", ended by {option(name)} {getattr(self._config, name):,}" if name else ""

    def _line(self, metrics: Metrics) -> str:
        parts = [
            f"generation {metrics.generation}",
            f"{metrics.evaluations:,} evaluations",
            f"{metrics.evaluations_per_second:,.0f}/s",
            f"median {percent(metrics.median_confidence)}",
            f">= 99 %: {metrics.classes_at_99}",
            f">= 99.99 %: {metrics.classes_at_9999}",
        ]
        if self._config.archive == "grid":
            parts.append(f"coverage {metrics.coverage:.1%}")
        left = self._seconds_left(metrics)
        if left is not None:
            parts.append(f"{left:.0f} s left")
        return " | ".join(parts)

    def _seconds_left(self, metrics: Metrics) -> float | None:
        limits = []
        generations = self._config.budget_generations()
        if generations is not None and metrics.evaluations_per_second > 0:
            todo = (generations - metrics.generation) * self._config.batch_size
            limits.append(todo / metrics.evaluations_per_second)
        if self._config.seconds is not None:
            limits.append(self._config.seconds - metrics.seconds)
        return max(0.0, min(limits)) if limits else None
