"""The study `retraining`: does it defend a network to be trained again with the images that fool it?

`conditions.py` has the ways to fool and the ways to retrain, `networks.py` what networks learn from, `search.py` the
rounds; `effects.py` counts what came of them, `answer.py`, `report.py` and `pictures.py` say and show it.
"""

from qdfool.studies.retraining.search import run
from qdfool.studies.study import NoSettings, Study

STUDY = Study(
    name="retraining",
    line="Does it defend a network to be trained again, and again, with the images that fool it?",
    title="Does retraining with fooling images defend a network?",
    seeds=2,
    quick_seeds=2,
    settings=NoSettings(),
    run=run,
)
