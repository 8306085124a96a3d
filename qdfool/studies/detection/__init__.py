"""The study `detection`: could a monitor have caught the images that fool a network?

`detectors.py` and `rates.py` are pure functions of anybody's logits, features and scores; `monitor.py` asks networks,
`joint.py` is the classifier of an attacker who knows the monitor, `conditions.py` has the numbers of both forms,
`search.py` evolves and scores; `report.py`, `answer.py` and `pictures.py` say and show what came of it.
"""

from qdfool.studies.detection.conditions import Settings
from qdfool.studies.detection.search import run
from qdfool.studies.study import Study

STUDY = Study(
    name="detection",
    line="Could a monitor have caught the images? Seven detectors, and attackers who know them.",
    title="Could a monitor have caught them? Seven detectors, and attackers who know them",
    seeds=5,
    quick_seeds=2,
    settings=Settings(),
    run=run,
)
