"""The devices that a run is built for: those that are here, or others that it is only compiled for."""

from dataclasses import dataclass

import jax


@dataclass(frozen=True)
class Target:
    """What batch size and formulation of a network follow from.

    What is traced needs no target: it asks the platform that it is lowered for (`jax.lax.platform_dependent`).
    """

    platform: str
    """As JAX names it: "cpu", "cuda", "tpu"."""
    memory: int | None = None
    """Bytes that a program may use of one device; None: what JAX says of the first that is here."""
    devices: int | None = None
    """How many there are; None: as many as JAX has here."""


def here() -> Target:
    """The devices that JAX has."""
    return Target(jax.default_backend())
