"""The study `negative-class`: can any training set make evolved images recognisable?

`networks.py` has the six training sets of the account and three extensions, `search.py` evolves ones against each,
`report.py` says what came of it.
"""

from qdfool.studies.negative_class.search import run
from qdfool.studies.study import NoSettings, Study

STUDY = Study(
    name="negative-class",
    line="Can any training set make evolved images recognisable? Six of them, and three more.",
    title="Ones against what? Whether a training set can make evolved images recognisable",
    seeds=5,
    quick_seeds=2,
    settings=NoSettings(),
    run=run,
)
