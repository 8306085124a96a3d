"""The study `repeats`: do the repeated patterns of a fooling image add to the confidence?

`conditions.py` has what is examined, `detection.py` finds what repeats, `removal.py` takes copies away, `occlusion.py`
asks where the network looks, and `search.py` evolves the images and computes the units; `effects.py`, `report.py`,
`pictures.py` and `answer.py` say what came of it.
"""

from qdfool.studies.repeats.conditions import Settings
from qdfool.studies.repeats.search import run
from qdfool.studies.study import Study

STUDY = Study(
    name="repeats",
    line="Do repeated patterns add to the confidence? Copies are removed, one after the other.",
    title="Once more: do repeated patterns add to the confidence of a fooling image?",
    seeds=10,
    quick_seeds=2,
    settings=Settings(),
    run=run,
)
