"""What all rows come to: a table for a page, and a picture."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.peers.clock import Row
from qdfool.analysis.style import DPI, INK, QUIET, SERIES, TEXT_SIZE, WIDTH
from qdfool.files.atomic import atomic_write

COLUMNS: dict[str, Callable[[Sequence[Row]], str]] = {
    "peer": lambda rows: rows[0].peer,
    "batch": lambda rows: f"{rows[0].batch_size:,}",
    "evaluations a second": lambda rows: spread(
        [row.evaluations_per_second for row in rows], "{:,.0f}".format
    ),
    "seconds until the median is at 99 %": lambda rows: until(rows, "median_99"),
    "all ten at 99 %": lambda rows: until(rows, "all_99"),
    "the median at 99.99 %": lambda rows: until(rows, "median_9999"),
    "all ten at 99.99 %": lambda rows: until(rows, "all_9999"),
    "compilation included": lambda rows: until(rows, "all_9999", compiled=True),
    "evaluations until then": lambda rows: evaluations_until(rows, "all_9999"),
    "seeds": lambda rows: f"{sum(row.seconds_to_all_9999 is not None for row in rows)} of {len(rows)}",
    "never at 99.99 %": lambda rows: never(rows),
}


def by_peer(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each peer, in the order in which they came first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.peer, []).append(row)
    return found


def spread(values: Sequence[float], as_text: Callable[[float], str]) -> str:
    """Median, and the quartiles where there are several values."""
    median = as_text(statistics.median(values))
    if len(values) < 3:
        return median
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median} ({as_text(low)} to {as_text(high)})"


def seconds(row: Row, target: str, compiled: bool = False) -> float:
    """Seconds until a target; what was never reached counts with its budget."""
    found = getattr(row, f"seconds_to_{target}")
    return (row.budget_seconds if found is None else found) + compiled * row.compile_seconds


def until(rows: Sequence[Row], target: str, compiled: bool = False) -> str:
    """Seconds of all seeds; never, where that is so of the median one."""
    reached = sum(getattr(row, f"seconds_to_{target}") is not None for row in rows)
    if 2 * reached <= len(rows):
        return f"never in {rows[0].budget_seconds:g}"
    return spread([seconds(row, target, compiled) for row in rows], "{:.2f}".format)


def evaluations_until(rows: Sequence[Row], target: str) -> str:
    """Evaluations of the seeds that reached it, if most did."""
    found = [value for row in rows if (value := getattr(row, f"evaluations_to_{target}")) is not None]
    return spread(found, "{:,.0f}".format) if 2 * len(found) > len(rows) else ""


def never(rows: Sequence[Row]) -> str:
    """The classes that some seed never brought to 99.99 %, each with the number of such seeds."""
    counts = {number: sum(number in row.never for row in rows) for number in range(10)}
    return ", ".join(f"{number} ({count})" for number, count in counts.items() if count)


def markdown(rows: Sequence[Row]) -> str:
    """A line a peer: medians over the seeds, with quartiles."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- |" + " --- |" * (len(COLUMNS) - 1)]
    for own in by_peer(rows).values():
        lines.append(f"| {' | '.join(column(own) for column in COLUMNS.values())} |")
    return "\n".join(lines)


def picture(path: Path, rows: Sequence[Row], gradients: Sequence[str]) -> None:
    """Draws seconds until all ten digits are at 99.99 %, a dot a seed and a bar at the median, on a logarithmic axis.

    Args:
        path: of the PNG.
        rows: of all peers.
        gradients: names of the peers that follow gradients, which are drawn in another colour.

    Raises:
        OSError: the file cannot be written.
    """
    peers = by_peer(rows)
    figure = Figure(figsize=(WIDTH, 1.3 + 0.3 * len(peers)), layout="constrained")
    axes = figure.subplots()
    for place, (name, own) in enumerate(peers.items()):
        ours = name.startswith("qdfool")
        colour = SERIES[0] if ours else SERIES[2] if name in gradients else SERIES[1]
        _draw_peer(axes, place, own, colour)
    axes.set_yticks(range(len(peers)), list(peers), fontsize=TEXT_SIZE, color=INK)
    axes.set_ylim(len(peers) - 0.4, -0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(
        "seconds, without compilation; hollow: not within the budget", fontsize=TEXT_SIZE, color=QUIET
    )
    axes.set_title(
        "All ten digits at 99.99 %: qdfool (blue), evolution (red), gradients (green)",
        fontsize=TEXT_SIZE + 1.5,
        color=INK,
        loc="left",
    )
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=DPI)


def _draw_peer(axes: Axes, place: int, rows: Sequence[Row], colour: str) -> None:
    for row in rows:
        reached = row.seconds_to_all_9999 is not None
        axes.plot(
            seconds(row, "all_9999"),
            place,
            "o",
            markersize=5,
            color=colour,
            markerfacecolor=colour if reached else "none",
            alpha=0.6,
        )
    median = statistics.median(seconds(row, "all_9999") for row in rows)
    axes.plot(median, place, "|", markersize=16, markeredgewidth=2.5, color=colour)
    axes.annotate(
        f"{median:.2g}",
        (median, place),
        (0, 9),
        textcoords="offset points",
        fontsize=8,
        color=INK,
        ha="center",
    )
