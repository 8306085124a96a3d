"""The study `decision-boundary`: why are the pixels never in the middle?

`conditions.py` has the account's constants and the controls, `evolution.py` the runs, `places.py` where ink lies;
`report.py` and `pictures.py` say and show what came of it.
"""

from qdfool.studies.decision_boundary.conditions import Settings
from qdfool.studies.decision_boundary.evolution import run
from qdfool.studies.study import Study

STUDY = Study(
    name="decision-boundary",
    line="Why are the black pixels of evolved cats never in the middle? Controls.",
    title="Cats of black pixels: why are the pixels never in the middle?",
    seeds=5,
    quick_seeds=2,
    settings=Settings(),
    run=run,
)
