"""The study `make-a-seven`: evolving a seven with a CNN as the judge.

`loop.py` has the loop of the question with all that was proposed, `measurement.py` runs it and asks how sure the
classifier became and how much of a seven the images are, `pictures.py` and `report.py` say what came of it.
"""

from qdfool.studies.make_a_seven.measurement import run
from qdfool.studies.study import NoSettings, Study

STUDY = Study(
    name="make-a-seven",
    line="Why does evolving a seven not converge, and why does it not look like a seven?",
    title="Make a seven: why it does not converge, and why it does not look like one",
    seeds=5,
    quick_seeds=2,
    settings=NoSettings(),
    run=run,
)
