"""Asks a classifier about images, outside of evolution, and checks what it answers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from qdfool.classifiers.callbacks import code_called_back
from qdfool.classifiers.logits_check import as_array, check_answer, check_values, in_float32
from qdfool.compilation import jitted_logits
from qdfool.errors import code_of_a_user
from qdfool.types import Classifier


def asked(classifier: Classifier) -> Callable[[Any, str], np.ndarray]:
    """The classifier as a function from images [n, H, W, C] float32 in [0, 1], and what they are called in messages, to
    logits [n, K] float32. It is compiled once for each n, where JAX can trace it.

    The function raises an InputError where the classifier fails, or where its answer is no logits or not finite.
    """
    logits = jitted_logits(classifier) if classifier.traceable else classifier.logits

    def ask(images: Any, called: str) -> np.ndarray:
        failing, name = f"{classifier.name} failed on {called}", f"{classifier.name} on {called}"
        with code_of_a_user(failing), code_called_back(failing):
            answer = as_array(logits(classifier.parameters, images))
        check_answer(name, answer, (len(images), len(classifier.class_names)))
        check_values(name, answer)
        answer = in_float32(answer)
        check_values(name, answer)  # Once more: what float32 cannot hold is infinite.
        return answer

    return ask
