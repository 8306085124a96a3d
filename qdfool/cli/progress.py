"""Progress: a live line on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from qdfool.analysis import percent
from qdfool.config import Config, option
from qdfool.errors import listed, one_line, printable
from qdfool.results.history import Metrics

SHOWN = 4
"""Of the seeds that are side by side, in a line."""


class Progress:
    """Shows where a run stands. A context manager: the live line ends with it."""

    def __init__(
        self, config: Config, quiet: bool, seeds: Mapping[int, tuple[int, float]] | None = None
    ) -> None:
        """Of one run, or of several seeds, in turn or side by side.

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

    def show(self, metrics: Mapping[int, Metrics]) -> None:
        """Shows the metrics of a chunk, of the run of a seed, or of those of several seeds side by side."""
        line = self._line(metrics)
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

    def _line(self, metrics: Mapping[int, Metrics]) -> str:
        """Medians over the seeds that are side by side, and all their evaluations."""
        rows = list(metrics.values())
        parts = [
            *self._turn(list(metrics)),
            f"generation {rows[0].generation}",
            f"{sum(row.evaluations for row in rows):,} evaluations{' in all' if len(rows) > 1 else ''}",
            f"{median(row.evaluations_per_second for row in rows):,.0f}/s",
            f"median {percent(median(row.median_confidence for row in rows))}",
            f">= 99 %: {median(row.classes_at_99 for row in rows):g}",
            f">= 99.99 %: {median(row.classes_at_9999 for row in rows):g}",
        ]
        if self._config.archive == "grid":
            parts.append(f"coverage {100 * median(row.coverage for row in rows):.1f} %")
        left = self._seconds_left(metrics)
        if left is not None:
            parts.append(f"{left:.0f} s left")
        if all(self._config.spent_budget(row.generation, row.seconds) for row in rows):
            parts.append("drawing pictures")
        return " | ".join(parts)

    def _turn(self, seeds: Sequence[int]) -> list[str]:
        if self._seeds is None or not all(seed in self._seeds for seed in seeds):
            return []
        order = list(self._seeds)
        if len(seeds) == 1:
            return [f"seed {seeds[0]} ({order.index(seeds[0]) + 1:,} of {len(order):,})"]
        turn = f"{order.index(seeds[0]) + 1:,} to {order.index(seeds[-1]) + 1:,} of {len(order):,}"
        return [f"seeds {listed(map(str, seeds), SHOWN)} ({turn}, side by side)"]

    def _seconds_left(self, metrics: Mapping[int, Metrics]) -> float | None:
        """Of evolution, at the pace of the last chunk: of these runs, and of the seeds after them."""
        order, spent = list(self._seeds or ()), self._seeds or {}
        last = max((order.index(seed) for seed in metrics if seed in spent), default=len(order))
        begun = [(row.generation, row.seconds) for row in metrics.values()]
        begun += [spent[other] for other in order[last + 1 :]]
        pace = median(row.evaluations_per_second for row in metrics.values())
        left = [self._left(*so_far, pace) for so_far in begun]
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
