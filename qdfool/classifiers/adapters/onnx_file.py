"""ONNX files, computed by onnxruntime on the processor."""

import hashlib
from typing import Any

import numpy as np

from qdfool.classifiers.adapters.inputs import check_one, inputs_of, missing, read_file, say
from qdfool.config import Preprocessing
from qdfool.errors import InputError, code_of_a_user, shown
from qdfool.types import Classifier

DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
"""What onnxruntime calls the numbers that images can be given in."""
SILENT = 4
"""onnxruntime's level of logging: what it has to say it raises, too, and on standard error it prints names of a model
as they are, which a terminal would obey."""
NO_FOLDER = ("session.model_external_initializers_file_folder_path", "/dev/null")
"""Where onnxruntime looks for weights beside a model, which is else the working directory: a run that goes on would not
notice that they changed."""


def load(name: str, image_shape: tuple[int, int, int] | None, preprocessing: Preprocessing) -> Classifier:
    """The network of an ONNX file. Weights that lie in files of their own beside it are not read.

    Raises:
        InputError: onnxruntime is not installed, it is no such file, or takes or returns more than one tensor.
    """
    content = read_file(name)
    try:
        import onnxruntime
    except ImportError as error:
        raise missing(shown(name), "onnxruntime", "onnx", error) from error
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.add_session_config_entry(*NO_FOLDER)
    with code_of_a_user(
        f"{shown(name)} cannot be loaded", "Expected a network in one ONNX file, with its weights in it."
    ):
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        given, returned = session.get_inputs(), session.get_outputs()
    check_one(shown(name), "input", [one.name for one in given])
    check_one(shown(name), "output", [one.name for one in returned])
    (taken,) = given
    if taken.type not in DTYPES:
        raise InputError(
            f"{shown(name)} takes {shown(taken.type)}. Expected images as floating-point numbers: {', '.join(DTYPES)}."
        )
    dimensions = [size if isinstance(size, int) and size > 0 else None for size in taken.shape]
    inputs = inputs_of(
        shown(name), dimensions, image_shape, preprocessing, "channels_first", DTYPES[taken.type]
    )
    say(shown(name), inputs, preprocessing)

    def logits(parameters: Any, images: Any) -> np.ndarray:
        return inputs.in_batches(
            lambda tensor: np.asarray(session.run([returned[0].name], {taken.name: tensor})[0]),
            np.asarray(images),
        )

    fingerprint = hashlib.sha256(content).hexdigest()
    return Classifier(name, inputs.image_shape, (), {}, logits, traceable=False, fingerprint=fingerprint)
