"""Audits a function from images to logits: how sure it is of nothing, and in which classes most.

python examples/audit_a_function.py
"""

import jax.numpy as jnp
import numpy as np

import qdfool

templates = jnp.asarray(np.random.default_rng(0).normal(0, 0.07, (16 * 16, 4)), jnp.float32)


def logits(images):
    """Images [B, 16, 16, 1] in [0, 1] to logits [B, 4]: here of a linear classifier, where yours would be."""
    return (images.reshape(len(images), -1) - 0.5) @ templates


logits.image_shape, logits.class_names = (16, 16, 1), ("cat", "dog", "bird", "none of these")

config = qdfool.Config(generations=60, batch_size=64)
result = qdfool.evolve(config, logits, out="archives/audit-a-function", overwrite=True)
for name in result.class_names:
    print(f"{name}: {result.confidence(name):.3%}")
print(f"median {result.summary()['median_confidence']:.3%}; look at archives/audit-a-function/gallery.png")
