"""`card.json`: the result of an audit for programs. docs/score.md says what each entry is."""

import platform
import shlex
from importlib.metadata import version
from typing import Any

import numpy as np

from qdfool.config import Preprocessing
from qdfool.engine.objectives import confidence
from qdfool.results.audit.findings import Findings, Found
from qdfool.results.audit.folder import Audit
from qdfool.results.audit.plan import BATCH, WAYS, Settings
from qdfool.results.audit.real import LOST, THRESHOLDS, Real, fooling, keeping, threshold
from qdfool.results.config_file import PACKAGES

SCHEMA = 1
SCORE_IS = (
    "area under the median over classes of the log-odds of each class's best image, from chance (0) to 99.99 % (1), "
    "over the logarithm of charged evaluations; the mean over pixels, CPPNs and, where there is one, the map; then "
    "over seeds, with the 95 % interval of Student's t"
)
WORST = 10
"""Classes of the highest score that the card names, and the page shows."""


def command_of(settings: Settings, out: str = "", real: str = "") -> str:
    """The command line of an audit."""
    words = ["python", "-m", "qdfool.audit", settings.classifier, "--budget", settings.budget]
    words += ["--seeds", _seeds(settings.seeds)]
    for option, value in (("--weights", settings.weights), ("--real", real), ("--out", out)):
        words += [option, value] if value else []
    if settings.image_shape is not None:
        words += ["--image-shape", *map(str, settings.image_shape)]
    usual = Preprocessing()
    for name in ("mean", "std"):
        if (given := getattr(settings.preprocessing, name)) != getattr(usual, name):
            words += [f"--preprocessing.{name}", *map(str, given)]
    if settings.preprocessing.layout != usual.layout:
        words += ["--preprocessing.layout", settings.preprocessing.layout]
    words += ["--reject", *settings.reject] if settings.reject else []
    return shlex.join(words)


def _seeds(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 1 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}:{seeds[-1] + 1}"
    return ",".join(map(str, seeds))


def card_of(audit: Audit, findings: Findings, real: Real | None = None, command: str = "") -> dict[str, Any]:
    """The card of an audit: the same audit, the same card."""
    classifier, settings = audit.classifier, audit.settings
    counted = audit.counted()
    nothing = fooling(findings)
    return {
        "schema": SCHEMA,
        "score": findings.score.mean,
        "score_low": findings.score.low,
        "score_high": findings.score.high,
        "score_is": SCORE_IS,
        "classifier": classifier.name,
        "classes": len(counted),
        "rejected": list(settings.reject),
        "image_shape": list(classifier.image_shape),
        "sha256": classifier.fingerprint or classifier.file_hash or None,
        "traceable": classifier.traceable,
        "budget": settings.budget,
        "evaluations": findings.evaluations,
        "evaluations_of_a_run": [BATCH, audit.plan.evaluations],
        "seeds": list(settings.seeds),
        "ways": {
            **{way: _way(way, found) for way, found in findings.ways.items()},
            **dict.fromkeys(audit.plan.left_out),
        },
        "left_out": audit.plan.left_out,
        "by_class": [_class(audit, findings, place) for place in range(len(counted))],
        "worst": [classifier.class_names[counted[place]] for place in findings.worst(WORST)],
        "thresholds": [threshold(level, nothing, real)._asdict() for level in THRESHOLDS],
        "thresholds_are": f"of {len(nothing):,} images of nothing, the best of each class of every run, the share at "
        "the confidence or above; of the real images, the share below",
        "real": None if real is None else _real(nothing, real),
        "command": command or command_of(settings),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _way(way: str, found: Found) -> dict[str, Any]:
    return {
        "scored": WAYS[way].scored,
        "score": float(found.score.mean()),
        "score_by_seed": found.score.tolist(),
        "median_confidence": float(np.median(found.confidence)),
        "lowest_confidence": float(found.confidence.min()),
        "classes_at_9999": found.certain(),
        "coverage": found.coverage,
        "evaluations": found.evaluations,
        "folder": found.folder.name,
    }


def _class(audit: Audit, findings: Findings, place: int) -> dict[str, Any]:
    index = audit.counted()[place]
    return {
        "index": index,
        "name": audit.classifier.class_names[index],
        "score": float(findings.class_score[place]),
        "confidence": {way: float(found.confidence[place]) for way, found in findings.ways.items()},
    }


def _real(nothing: np.ndarray, real: Real) -> dict[str, Any]:
    odds, passing = keeping(nothing, real)
    return {
        "images": real.given,
        "asked_about": len(real.log_odds),
        "median_confidence": float(np.median(confidence(real.log_odds))),
        "lost": LOST,
        "threshold": float(confidence(odds)),
        "passing": passing,
    }
