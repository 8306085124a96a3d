"""The verdicts of `ga-operators` follow from its numbers."""

from qdfool.analysis.statistics import Interval, interval
from qdfool.studies.ga_operators.effects import verdicts


def test_verdicts_are_corrected_for_their_number():
    barely, clear = Interval(1.0, 0.1, 1.9, 5), Interval(-1.0, -1.1, -0.9, 5)
    theirs = {"barely": 0.3, "another": 0.3, "clear": 0.3, "one seed": 0.3}
    assert verdicts({"barely": barely}, theirs) == {"barely": "holds"}
    assert verdicts(
        {"barely": barely, "another": barely, "clear": clear, "one seed": interval([1.0])}, theirs
    ) == {
        "barely": "cannot be told",
        "another": "cannot be told",
        "clear": "is reversed",
        "one seed": "cannot be told",
    }
