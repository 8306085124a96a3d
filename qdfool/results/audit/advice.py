"""What to do after an audit, by what it found: sentences, each with a command where there is one."""

from dataclasses import replace
from typing import Any

from qdfool.analysis import percent
from qdfool.results.audit.card import command_of
from qdfool.results.audit.folder import Audit
from qdfool.results.audit.plan import BUDGETS, WAYS

ALMOST = 0.999
"""Of a share: from here on to 1 it is not told in figures, and from 0 on to as little."""
PARTED = 0.05
"""Of the images of nothing that may pass a threshold which loses as many real ones, to be called a remedy."""
FEW = 100
"""Real images, below which the twentieth part of them is no more than a handful."""
WIDE = 0.05
"""Half the width of an interval, from which on more seeds are advised."""
EARLY = 0.95
"""A score from which on a larger budget would say no more."""


def share(part: float) -> str:
    """A share of images as people read it; all of them, or none, only where it is so."""
    if ALMOST < part < 1:
        return f"> {100 * ALMOST:.3g} %"
    if 0 < part < 1 - ALMOST:
        return f"< {100 * (1 - ALMOST):.3g} %"
    return f"{100 * part:.3g} %"


def next_steps(audit: Audit, card: dict[str, Any], real: str = "") -> list[tuple[str, str]]:
    """What to do next.

    Args:
        audit: that is done.
        card: of it.
        real: where the real images are, as it was given.
    """
    settings, out = audit.settings, str(audit.directory)
    steps = [_about_thresholds(audit, card)]
    scored = {way: found for way, found in card["ways"].items() if found is not None and found["scored"]}
    surest = max(scored, key=lambda way: scored[way]["score"])
    steps.append(
        (
            f"It is soonest sure by {WAYS[surest].title}: look at what that finds, on the pages of its runs above. "
            "Then train with it: add what was found as a class of its own, train anew and audit again, with that class "
            "as one to reject.",
            "",
        )
    )
    if (card["score_high"] - card["score_low"]) / 2 > WIDE:
        more = replace(settings, seeds=tuple(range(2 * len(settings.seeds))))
        steps.append(
            (
                "The interval is wide; more seeds make it narrower.",
                command_of(more, f"{out}-more-seeds", real),
            )
        )
    budgets = list(BUDGETS)
    if settings.budget != budgets[-1] and card["score"] < EARLY:
        larger = replace(settings, budget=budgets[budgets.index(settings.budget) + 1])
        steps.append(
            (
                "With a larger budget it may become surer still.",
                command_of(larger, f"{out}-{larger.budget}", real),
            )
        )
    steps.append(
        (
            "Gate a release with it: the exit code is 5 where the score is above what you allow, "
            f"here {WIDE} more than this one.",
            f"{command_of(settings, out, real)} --fail-above {min(1.0, card['score'] + WIDE):.2f}",
        )
    )
    return steps


def _about_thresholds(audit: Audit, card: dict[str, Any]) -> tuple[str, str]:
    real = card["real"]
    if real is None:
        sentence = "Compare with real images: only they say whether a threshold on the confidence would help."
        return sentence, f"{command_of(audit.settings, str(audit.directory))} --real FOLDER"
    if real["asked_about"] < FEW:
        return (
            f"Give more real images: {real['asked_about']:,} do not tell what share of them a threshold would lose. "
            "A few hundred do.",
            "",
        )
    if real["passing"] <= PARTED:
        return (
            f"Take a threshold: at {percent(real['threshold'])} it throws away {share(1 - real['passing'])} of these "
            f"images of nothing and {share(real['lost'])} of the real ones. Whoever knows of it can go on beyond it.",
            "",
        )
    return (
        f"No threshold on the confidence will do: one that loses {share(real['lost'])} of the real images lets "
        f"{share(real['passing'])} of these images of nothing pass.",
        "",
    )
