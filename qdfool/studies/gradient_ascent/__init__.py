"""The study `gradient-ascent`: the paper's second way to fool, beside the others.

`conditions.py` has the ways and the regularisers, `search.py` runs them, `effects.py` says when each was certain and
how near images are to one another; `answer.py`, `report.py` and `pictures.py` say and show what came of it.
"""

from qdfool.studies.gradient_ascent.search import run
from qdfool.studies.study import NoSettings, Study

STUDY = Study(
    name="gradient-ascent",
    line="How soon is a network fooled by gradients, by evolution, and by both? The paper's two ways and three more.",
    title="By evolution or by gradients: how soon each way is certain, and what its images are like",
    seeds=5,
    quick_seeds=2,
    settings=NoSettings(),
    run=run,
)
