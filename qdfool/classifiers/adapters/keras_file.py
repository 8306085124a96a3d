"""Keras files, on Keras' JAX backend: JAX traces them, so they run inside the step at full speed."""

import hashlib
from typing import Any

import jax.numpy as jnp

from qdfool.classifiers.adapters.environment import variable
from qdfool.classifiers.adapters.inputs import check_one, inputs_of, missing, read_file, say
from qdfool.config import Preprocessing
from qdfool.errors import InputError, code_of_a_user, shown
from qdfool.types import Classifier

BACKEND = "KERAS_BACKEND"


def load(name: str, image_shape: tuple[int, int, int] | None, preprocessing: Preprocessing) -> Classifier:
    """The model of a `.keras` file, in evaluation mode. Lambda layers, which are Python code, are refused.

    Raises:
        InputError: Keras is not installed or computes with another backend, it is no such file, or takes or returns
            more than one tensor.
    """
    content = read_file(name)
    keras = _keras(name)
    with code_of_a_user(
        f"{shown(name)} cannot be loaded",
        "Expected a model that model.save wrote as .keras, made of Keras' own layers.",
    ):
        model = keras.saving.load_model(name, compile=False, safe_mode=True)
        groups: Any = (model.trainable_variables, model.non_trainable_variables)
        parameters = tuple([variable.value for variable in group] for group in groups)
        taken, returned = [one.name for one in model.inputs], [str(one) for one in model.outputs]
        dimensions = list(model.inputs[0].shape)
    check_one(shown(name), "input", taken)
    check_one(shown(name), "output", returned)
    usual = "channels_first" if keras.config.image_data_format() == "channels_first" else "channels_last"
    inputs = inputs_of(shown(name), dimensions, image_shape, preprocessing, usual)
    if inputs.batch is not None:
        raise InputError(
            f"{shown(name)} takes batches of {inputs.batch} alone. Save it for batches of any size."
        )
    say(shown(name), inputs, preprocessing)
    mean, std = jnp.asarray(inputs.mean), jnp.asarray(inputs.std)

    def logits(parameters: Any, images: Any) -> Any:
        normalised = (images - mean) / std
        if inputs.channels_first:
            normalised = normalised.transpose(0, 3, 1, 2)
        answer, _ = model.stateless_call(*parameters, normalised, training=False)
        return answer

    fingerprint = hashlib.sha256(content).hexdigest()
    return Classifier(name, inputs.image_shape, (), parameters, logits, fingerprint=fingerprint)


def _keras(name: str) -> Any:
    """Keras with its JAX backend, which it reads from the environment when it is imported."""
    try:
        with variable(BACKEND, "jax"):
            import keras
    except ImportError as error:
        raise missing(shown(name), "Keras", "keras", error) from error
    if (backend := keras.config.backend()) != "jax":
        raise InputError(
            f"Keras computes with {shown(backend)} in this process, and {shown(name)} needs its JAX backend: set the "
            f"environment variable {BACKEND}=jax before Keras is imported."
        )
    return keras
