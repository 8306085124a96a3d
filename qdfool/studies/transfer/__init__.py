"""The study `transfer`: do images that fool one network fool another?

`networks.py` has the networks of a matrix, `ensembles.py` several networks as one, `evolution.py` evolves images
against each and shows them to all, `effects.py` counts what came of it, `report.py`, `answer.py` and `pictures.py`
say it.
"""

from qdfool.studies.study import Study
from qdfool.studies.transfer.evolution import run
from qdfool.studies.transfer.networks import Settings

STUDY = Study(
    name="transfer",
    line="Do images that fool one network fool another? And those that fool several at once?",
    title="Do images that fool one network fool another?",
    seeds=5,
    quick_seeds=2,
    settings=Settings(),
    run=run,
)
