"""The study `lineage`: which classes' elites are parents of which others', and does it help?

`conditions.py` has what is run, `evolution.py` runs it a generation at a time and looks who wins what, `effects.py`
holds that against chance and one competition against the other, `similarity.py` images of one seed against another's;
`answer.py`, `report.py` and `pictures.py` say and show what came of it.
"""

from qdfool.studies.lineage.evolution import run
from qdfool.studies.study import NoSettings, Study

STUDY = Study(
    name="lineage",
    line="Whose children win which class's cell, and does it help that they may? Goal switching.",
    title="Whose child is it? Goal switching between classes, and whether it helps",
    seeds=10,
    quick_seeds=2,
    settings=NoSettings(),
    run=run,
)
