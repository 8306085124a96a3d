"""Settings of JAX by which it refuses what qdfool and its networks do."""

import jax

from qdfool.errors import InputError

FORBIDDING = {
    "jax_debug_infs": (True,),
    "jax_debug_nans": (True,),
    "jax_numpy_dtype_promotion": ("strict",),
    "jax_numpy_rank_promotion": ("raise",),
    "jax_transfer_guard": ("disallow", "disallow_explicit"),
}
"""With the values that do so: an empty archive has NaN as measures and minus infinity as fitness."""


def check_jax() -> None:
    """Checks that JAX is set to compute what evolution needs.

    Raises:
        InputError: it is not.
    """
    if getattr(jax.config, "jax_disable_jit", False):
        raise InputError(
            "JAX is not to compile, but qdfool's generations are compiled programs. Unset the environment variable "
            "JAX_DISABLE_JIT, or what else disables it."
        )
    for name, values in FORBIDDING.items():
        value = getattr(jax.config, name, None)
        value = getattr(value, "value", value)  # Some are members of an enumeration.
        if value in values:
            raise InputError(
                f"JAX's setting {name} is {value!r}, by which it refuses what qdfool and its networks compute. Unset "
                f"the environment variable {name.upper()}, or what else sets it."
            )
