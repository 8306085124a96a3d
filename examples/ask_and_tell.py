"""A classifier that nothing here can call, as one behind a queue: images are asked for, logits are told.

python examples/ask_and_tell.py
"""

import numpy as np

import qdfool

weights = np.random.default_rng(1).normal(0, 0.05, (12 * 12 * 3, 5)).astype(np.float32)


def somewhere_else(images):
    """Stands for a service, a queue or another process: images [B, 12, 12, 3] to logits [B, 5]."""
    return (images.reshape(len(images), -1) - 0.5) @ weights


names = ("red", "green", "blue", "white", "black")
audit = qdfool.AskTell(qdfool.Config(batch_size=32), image_shape=(12, 12, 3), class_names=names)
for _ in range(40):  # as long as you like: no budget is needed
    images = audit.ask()
    audit.tell(somewhere_else(images))
result = audit.result()
result.save("archives/ask-and-tell", overwrite=True)
print({name: round(float(result.confidence(name)), 4) for name in names})
