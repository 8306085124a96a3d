"""Whether a function is still the program that it was, so that what was compiled of it serves again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from qdfool.types import Parameters

Logits = Callable[[Parameters, Any], Any]

HIDDEN = ("callback", " at 0x", "...")
"""What a program shows in its text where it calls Python, or does not show a part of itself."""


@dataclass(frozen=True, eq=False)
class Traced:
    """Logits that JAX has traced. Two are equal if they are of the same function or class, and the same program."""

    logits: Logits
    of: object
    """The user's function, or the class of the module."""
    program: bytes
    """What `_digest` found."""

    def __call__(self, parameters: Parameters, images: Any) -> Any:
        """The logits."""
        return self.logits(parameters, images)

    def __eq__(self, other: object) -> bool:
        # As objects: a user's own comparison is not asked. Besides, a program of more images may be another.
        return isinstance(other, Traced) and other.of is self.of and other.program == self.program

    def __hash__(self) -> int:
        return hash(self.program)


def traced(logits: Logits, of: object, parameters: Parameters, images: jax.ShapeDtypeStruct) -> Any:
    """What the logits of such images are, a pytree of shapes; with the logits as `Traced`, where their program can be
    told from others.

    A function may have been changed since it was traced before, by a variable of its module as well as by its weights:
    it is traced anew each time, and only what has become of it is compared.

    Args:
        logits: of parameters and images.
        of: the function, or the class of the module, that they are made of.
        parameters: what they are called with.
        images: [B, H, W, C].

    Returns:
        Shapes and dtypes, and the logits.

    Raises:
        Exception: whatever they raise when they meet a tracer.
    """

    # JAX keeps what it has traced by the function: this one is new.
    def again(parameters: Parameters, images: Any) -> Any:
        return logits(parameters, images)

    program, shapes = jax.make_jaxpr(again, return_shape=True)(parameters, images)
    try:
        found = _digest(program, again, parameters, images)
    except Exception:  # It has no derivative, or constants that are no numbers.
        found = None
    return shapes, logits if found is None else Traced(logits, of, found)


def _digest(
    program: ClosedJaxpr, logits: Logits, parameters: Parameters, images: jax.ShapeDtypeStruct
) -> bytes | None:
    """SHA-256 of a program, its constants and how its parameters are arranged; None where not all of it shows.

    Raises:
        Exception: it cannot be told.
    """
    parts = [program]
    if "custom_" in str(program):  # A derivative of its own does not show before it is asked for.

        def slope(parameters: Parameters, images: Any) -> Any:
            answer, back = jax.vjp(lambda images: logits(parameters, images), images)
            return back(answer)

        parts.append(jax.make_jaxpr(slope)(parameters, images))
    digest = hashlib.sha256(str(jax.tree.structure(parameters)).encode())
    for part in parts:
        text = str(part)
        if part.effects or any(sign in text for sign in HIDDEN):
            return None
        digest.update(text.encode())
        for constant in part.consts:
            array = np.asarray(constant)
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.digest()
