"""`report.html` of an audit: from what was found to the page that shows it."""

from typing import Any

import numpy as np

from qdfool.analysis import percent
from qdfool.analysis.confidence import nines
from qdfool.analysis.report import AuditReport, Curves, Picture, Shares, WayRow, write_audit
from qdfool.analysis.report.payload import shown_names
from qdfool.analysis.score import height
from qdfool.errors import named, printable
from qdfool.results import run_folder
from qdfool.results.audit.advice import next_steps, share
from qdfool.results.audit.card import WORST
from qdfool.results.audit.findings import POINTS, Findings, images_of
from qdfool.results.audit.folder import Audit
from qdfool.results.audit.plan import BATCH, WAYS
from qdfool.results.audit.real import Real, fooling

LEVELS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
"""Confidences that the curves' axis names, where they are above chance."""
MOST_ROWS = 1000
"""Classes that the page lists, the worst first."""
MOST_NINES, STEPS = 6, 121
"""Where the chart of thresholds ends, and its points."""


def write_page(audit: Audit, findings: Findings, real: Real | None, card: dict[str, Any]) -> None:
    """Writes the page of an audit.

    Args:
        audit: that is done.
        findings: what it found.
        real: what the classifier says of the user's real images, if there are any.
        card: of the same.

    Raises:
        InputError: a run is damaged.
        OSError: it cannot be written.
    """
    write_audit(audit.directory / run_folder.REPORT, report_of(audit, findings, real, card))


def report_of(audit: Audit, findings: Findings, real: Real | None, card: dict[str, Any]) -> AuditReport:
    """The page of an audit; see `write_page`."""
    name, order = named(audit.classifier.name), findings.worst(card["classes"])
    names = shown_names([audit.classifier.class_names[index] for index in audit.counted()])
    spread = f"{card['score_low']:.3f} to {card['score_high']:.3f}"
    thresholds = [
        (
            _level(row["confidence"]),
            share(row["passing"]),
            "?" if row["lost"] is None else share(row["lost"]),
        )
        for row in card["thresholds"]
    ]
    return AuditReport(
        title=f"qdfool: audit of {name}, {card['budget']}",
        headline=_headline(name, findings, card),
        lede=_lede(audit, card),
        figures=[
            ("score, 0 to 1", f"{card['score']:.3f}"),
            ("95 % interval", spread),
            ("classes", f"{card['classes']:,}"),
            ("evaluations", f"{card['evaluations']:,}"),
        ],
        notes=_notes(audit, real),
        ways=[_way(audit, findings, way, card) for way in findings.ways],
        curves=_curves(audit, findings),
        worst=_worst(audit, findings, names, order),
        class_head=["Class", "Score", *(WAYS[way].title for way in findings.ways)],
        class_rows=[
            [
                names[place],
                f"{findings.class_score[place]:.3f}",
                *(percent(float(found.confidence[place])) for found in findings.ways.values()),
            ]
            for place in order[:MOST_ROWS]
        ],
        classes_note="The worst first; confidences are those of the best image of each way, the median over seeds."
        + (f" The first {MOST_ROWS:,} are here, card.json has all." if len(names) > MOST_ROWS else ""),
        threshold_rows=thresholds,
        thresholds_note=_thresholds_note(card),
        shares=_shares(findings, real),
        next_steps=next_steps(audit, card, "" if real is None else real.source),
        command=card["command"],
        tables=_tables(audit, card),
    )


def _level(share: float) -> str:
    return f"{100 * share:.10g} %"


def _headline(name: str, findings: Findings, card: dict[str, Any]) -> str:
    scored = [way for way in findings.ways if WAYS[way].scored]
    surest = max(scored, key=lambda way: card["ways"][way]["score"])
    median = percent(card["ways"][surest]["median_confidence"]).replace(" %", "\N{NO-BREAK SPACE}%")
    return (
        f"{name} scores {card['score']:.3f} of 1: in the median over its classes it becomes {median} sure of images of "
        f"nothing, by {WAYS[surest].title}."
    )


def _lede(audit: Audit, card: dict[str, Any]) -> str:
    seeds, ways = len(audit.settings.seeds), len(audit.plan.configs)
    return (
        f"The standard examination with the budget {card['budget']}: {ways} ways to look for images of nothing, "
        f"{seeds} seeds each, and {audit.plan.evaluations:,} evaluations a run. 0 is a classifier that never "
        "becomes surer of them than chance, 1 one that is certain of the first. Scores are comparable between "
        "classifiers of as many classes, with the same budget."
    )


def _notes(audit: Audit, real: Real | None) -> list[str]:
    notes = [f"Left out, {WAYS[way].title}: {why}" for way, why in audit.plan.left_out.items()]
    if audit.settings.reject:
        notes.append(
            f"Not counted, because they stand for nothing: {', '.join(shown_names(audit.settings.reject))}."
        )
    if real is not None and real.given > len(real.log_odds):
        notes.append(f"Of {real.given:,} real images the classifier was asked about {len(real.log_odds):,}.")
    return notes


def _way(audit: Audit, findings: Findings, way: str, card: dict[str, Any]) -> WayRow:
    row, seeds = card["ways"][way], audit.settings.seeds
    links = [(f"seed {seed}", f"{way}/{run_folder.name_of_seed(seed)}/{run_folder.REPORT}") for seed in seeds]
    return WayRow(
        name=way,
        title=WAYS[way].title,
        line=WAYS[way].line,
        score=f"{row['score']:.3f}" + ("" if row["scored"] else " (not counted)"),
        median=percent(row["median_confidence"]),
        certain=f"{row['classes_at_9999']:,.4g} of {card['classes']:,}",
        links=links,
    )


def _curves(audit: Audit, findings: Findings) -> Curves:
    classes = len(audit.classifier.class_names)
    known = [level for level in LEVELS if level > 1.5 / classes]
    ticks = [(0.0, "chance")]
    ticks += [(float(height(np.log(level / (1 - level)), classes)), _level(level)) for level in known]
    return Curves(
        np.geomspace(BATCH, audit.plan.evaluations, POINTS),
        {way: found.curve for way, found in findings.ways.items()},
        ticks,
    )


def _worst(
    audit: Audit, findings: Findings, names: list[str], order: list[int]
) -> list[tuple[str, str, list[Picture]]]:
    places = order[:WORST]
    images = images_of(audit, findings, places)
    rows = []
    for row, place in enumerate(places):
        pictures = []
        for way in findings.ways:
            odds = findings.best(place, way)[1]
            said = percent(log_odds=odds) if np.isfinite(odds) else "none"
            image = images[way][row]
            drawable = image is not None and image.shape[-1] in (1, 3)
            pictures.append(Picture(WAYS[way].title, said, image if drawable else None))
        rows.append((names[place], f"{findings.class_score[place]:.3f}", pictures))
    return rows


def _thresholds_note(card: dict[str, Any]) -> str:
    count = "A threshold throws away answers of less confidence. Those of nothing are each class's best, of every run"
    real = card["real"]
    if real is None:
        return (
            f"{count}. Without real images nothing is known of what it would lose: give some with --real, a folder or "
            "an IDX file."
        )
    level, lost, passing = percent(real["threshold"]), share(real["lost"]), share(real["passing"])
    return (
        f"{count}; of real ones there are {real['asked_about']:,}. The threshold that loses at most {lost} of the "
        f"real ones is at {level}, and {passing} of the images of nothing pass it."
    )


def _shares(findings: Findings, real: Real | None) -> Shares:
    """Of thresholds that are evenly spaced by their nines."""
    places = np.linspace(0, MOST_NINES, STEPS)
    nothing = nines(fooling(findings))
    lost = None if real is None else np.searchsorted(nines(real.log_odds), places) / len(real.log_odds)
    return Shares(places, 1 - np.searchsorted(nothing, places) / len(nothing), lost)


def _tables(audit: Audit, card: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    shape = " x ".join(map(str, card["image_shape"]))
    classifier = [
        ("name", printable(card["classifier"])),
        ("images", shape),
        ("classes", f"{len(audit.classifier.class_names):,}"),
        ("SHA-256", card["sha256"] or "none"),
        ("traced by JAX", "yes" if card["traceable"] else "no"),
    ]
    sure = []
    if card["real"] is not None:
        sure = [("median confidence of the real images", percent(card["real"]["median_confidence"]))]
    settings = [
        ("budget", card["budget"]),
        ("evaluations of a run", f"{audit.plan.evaluations:,}"),
        ("seeds", ", ".join(map(str, card["seeds"]))),
        *sure,
        ("score", card["score_is"]),
    ]
    return {
        "Settings": settings,
        "Classifier": classifier,
        "Versions": list(card["versions"].items()),
    }
