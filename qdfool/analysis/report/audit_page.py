"""The page of an audit: one HTML file like that of a run."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdfool.analysis.report.audit_charts import audit_charts
from qdfool.analysis.report.audit_data import AuditReport, Picture
from qdfool.analysis.report.page import fill
from qdfool.analysis.report.payload import SMALL
from qdfool.analysis.report.thumbnails import Thumbnails, thumbnails
from qdfool.files.atomic import atomic_write

SCRIPTS = ("charts.js", "audit.js")
STYLES = ("page.css", "audit.css")
ROOM = 3_000_000
"""Characters of the images."""


def write_audit(path: Path, report: AuditReport) -> None:
    """Writes the page of an audit: the same report, the same bytes.

    Args:
        path: of the HTML file, replaced when the new one is whole.
        report: what it shows.

    Raises:
        OSError: it cannot be written.
    """
    page = render_audit(report)
    with atomic_write(path) as file:
        file.write(page.encode())


def render_audit(report: AuditReport) -> str:
    """The page of an audit."""
    pictures = _pictures(report)
    addresses = [f"data:image/{pictures.form.kind};base64,{one}" if one else "" for one in pictures.data]
    drawn = audit_charts(report.curves, report.shares)
    return fill(
        "audit.html",
        STYLES,
        SCRIPTS,
        {},
        drawn,
        report=report,
        worst=_with_addresses(report, addresses),
        small=pictures.side <= SMALL,
    )


def _shown(report: AuditReport) -> list[Picture]:
    return [picture for _, _, of_class in report.worst for picture in of_class if picture.image is not None]


def _pictures(report: AuditReport) -> Thumbnails:
    images = [picture.image for picture in _shown(report) if picture.image is not None]

    def some(rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        return np.stack([images[row] for row in rows])

    return thumbnails(some, len(images), ROOM)


def _with_addresses(report: AuditReport, addresses: list[str]) -> list[dict[str, Any]]:
    left = iter(addresses)
    return [
        {
            "name": name,
            "score": score,
            "pictures": [
                {
                    "way": picture.way,
                    "confidence": picture.confidence,
                    "address": "" if picture.image is None else next(left),
                }
                for picture in of_class
            ],
        }
        for name, score, of_class in report.worst
    ]
