"""What JAX computes on, as the environment has it."""

import os

import jax

from qdfool.errors import InputError, shown, text_of

VARIABLES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_NUM_CPU_DEVICES", "CUDA_VISIBLE_DEVICES", "XLA_FLAGS")
"""Those that decide which devices JAX finds."""
FORBIDDING = {"jax_numpy_rank_promotion": ("raise",), "jax_transfer_guard": ("disallow", "disallow_explicit")}
"""Settings of JAX by which it refuses what qdfool and its networks do, with the values that do so."""


def check_device() -> None:
    """Checks that JAX finds a device, and compiles what it computes there.

    Raises:
        InputError: it does not, or is set to refuse it.
    """
    if getattr(jax.config, "jax_disable_jit", False):
        raise InputError(
            "JAX is not to compile, but qdfool's generations are compiled programs. Unset the environment variable "
            "JAX_DISABLE_JIT."
        )
    for name, values in FORBIDDING.items():
        if (value := getattr(jax.config, name, None)) in values:
            raise InputError(
                f"JAX's setting {name} is {value!r}, by which it refuses what qdfool and its networks compute. Unset "
                f"the environment variable {name.upper()}."
            )
    try:
        jax.devices()
    except (
        Exception
    ) as error:  # An AssertionError of JAX's own, where only CUDA is asked for and is not installed.
        given = [f"{name}={shown(os.environ[name])}" for name in VARIABLES if name in os.environ]
        why = f" The environment has {', '.join(given)}: mend or unset it." if given else ""
        raise InputError(
            f"JAX finds no device to compute on{f': {text}' if (text := text_of(error)) else ''}.{why} With "
            "JAX_PLATFORMS=cpu it computes on the processor."
        ) from error
