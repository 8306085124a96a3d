"""The study `ga-operators`: twelve genetic algorithms against a CNN, and elitism.

`published.py` has the figures of the account, `evolution.py` runs it again, `mechanisms.py` and `report.py` say
what came of it.
"""

from qdfool.studies.ga_operators.evolution import run
from qdfool.studies.study import NoSettings, Study

STUDY = Study(
    name="ga-operators",
    line="Which operators of a genetic algorithm break a CNN? Twelve of them, and elitism.",
    title="Twelve genetic algorithms against a CNN: which operator matters?",
    seeds=10,
    quick_seeds=2,
    settings=NoSettings(),
    run=run,
)
