"""The 1,000 classes of ImageNet (ILSVRC-2012), in the order of every network's logits.

`imagenet_classes.txt` has a line each: the WordNet synset and the first of its words, "n01440764 tench".
"""

from collections import Counter
from pathlib import Path

DOGS_AND_CATS = (151, 285)
"""First and last class from the dogs to the domestic cats. Readers recall of the paper a low band there, from 157
to 286 (not checked against it)."""


def _class_names(lines: list[str]) -> tuple[str, ...]:
    classes = [line.split(" ", 1) for line in lines]
    times = Counter(word for _, word in classes)
    # Two classes are called "crane", a bird and a machine: such names have their synset appended.
    return tuple(word if times[word] == 1 else f"{word} ({synset})" for synset, word in classes)


CLASS_NAMES = _class_names((Path(__file__).parent / "imagenet_classes.txt").read_text("utf-8").splitlines())
"""1,000 names, each once."""
