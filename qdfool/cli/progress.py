"""Progress: a live line on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from qdfool.analysis import percent
from qdfool.config import Config, option
from qdfool.errors import one_line, printable
from qdfool.results.history import Metrics


class Progress:
    """Shows where a run stands. A context manager: the live line ends with it."""

    def __init__(
        self, config: Config, quiet: bool, seeds: Mapping[int, tuple[int, float]] | None = None
    ) -> None:
        """Of one run, or of several seeds in turn.

        Args:
            config: of the run, or of all but for the seed.
            quiet: prints nothing.
            seeds: those that are to be evolved, in order, with the generations and seconds that they have had.
        """
        self._config, self._seeds = config, seeds
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

    def show(self, metrics: Metrics, seed: int) -> None:
        """Shows the metrics of a chunk of the run of a seed."""
        line = self._line(metrics, seed)
        if self._live:
            self._live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)
        else:
            self.say(line)

    def summary(self, figures: dict[str, Any], out: Path) -> str:
        """The lines that a run ends with, or several seeds."""
        if self._seeds is not None:
            return self._summary_over_seeds(figures, out)
        lines = (
            f"{figures['classes_at_9999']:,} of {figures['classes']:,} classes at 99.99 % or more, "
            f"{figures['classes_at_99']:,} at 99 %; median {percent(figures['median_confidence'])}, "
            f"lowest {percent(figures['min_confidence'])}\n"
            f"{figures['evaluations']:,} evaluations in {figures['seconds']:.1f} s, compilation "
            f"{figures['compile_seconds']:.1f} s{self._ended_by(figures)}; pictures, elites and checkpoints are "
            f"in {printable(str(out))}/, all of it on one page in report.html"
        )
        cppn = figures.get("cppn")
        if cppn and cppn["refusals"]:
            lines += (
                f"\n{cppn['elites_refused_growth']} elites descend from a CPPN that met the cap of "
                f"{cppn['nodes_cap']} nodes or {cppn['connections_cap']} connections ({cppn['refusals']} times); "
                "--cppn.nodes and --cppn.connections raise it."
            )
        return lines

    def _summary_over_seeds(self, summary: dict[str, Any], out: Path) -> str:
        figures, done = (
            summary["figures"],
            f"{summary['seeds_done']:,} of {len(summary['seeds']):,} seeds are done",
        )
        where = f"a run folder for each, summary and curves over them are in {printable(str(out))}/"
        if not figures:
            return f"{done}; {where}"
        sure = figures["classes_at_9999"]["median"]
        return (
            f"{done}; medians over them: {sure:,g} classes at 99.99 % or more, median "
            f"{self._share(figures['median_confidence'])}, lowest {self._share(figures['min_confidence'])}\n"
            f"{figures['evaluations']['median']:,.0f} evaluations in {figures['seconds']['median']:.1f} s each; {where}"
        )

    def _share(self, figure: dict[str, Any]) -> str:
        bounds = [figure["low"], figure["high"]]
        interval = "" if None in bounds else f" ({' to '.join(map(percent, bounds))})"
        return percent(figure["median"]) + interval

    def _ended_by(self, figures: dict[str, Any]) -> str:
        name = figures["ended_by"]
        return f", ended by {option(name)} {getattr(self._config, name):,}" if name else ""

    def _line(self, metrics: Metrics, seed: int) -> str:
        parts = [
            *self._turn(seed),
            f"generation {metrics.generation}",
            f"{metrics.evaluations:,} evaluations",
            f"{metrics.evaluations_per_second:,.0f}/s",
            f"median {percent(metrics.median_confidence)}",
            f">= 99 %: {metrics.classes_at_99}",
            f">= 99.99 %: {metrics.classes_at_9999}",
        ]
        if self._config.archive == "grid":
            parts.append(f"coverage {100 * metrics.coverage:.1f} %")
        left = self._seconds_left(metrics, seed)
        if left is not None:
            parts.append(f"{left:.0f} s left")
        return " | ".join(parts)

    def _turn(self, seed: int) -> list[str]:
        if self._seeds is None or seed not in self._seeds:
            return []
        return [f"seed {seed} ({list(self._seeds).index(seed) + 1:,} of {len(self._seeds):,})"]

    def _seconds_left(self, metrics: Metrics, seed: int) -> float | None:
        """Of evolution, at the pace of the last chunk: of this run, and of the seeds after it."""
        after = list(self._seeds or ())
        after = after[after.index(seed) + 1 :] if seed in after else []
        begun = [(metrics.generation, metrics.seconds), *((self._seeds or {})[other] for other in after)]
        left = [self._left(*so_far, metrics.evaluations_per_second) for so_far in begun]
        return None if left[0] is None else sum(seconds or 0.0 for seconds in left)

    def _left(self, generation: int, seconds: float, pace: float) -> float | None:
        limits = []
        generations = self._config.budget_generations()
        if generations is not None and pace > 0:
            charges = self._config.charges()
            limits.append((charges.of(generations) - charges.of(generation)) / pace)
        if self._config.seconds is not None:
            limits.append(self._config.seconds - seconds)
        return max(0.0, min(limits)) if limits else None
