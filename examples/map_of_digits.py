"""A map of images for each digit over two measures, one of them our own, filled by evolution.

python examples/map_of_digits.py
"""

import qdfool
from qdfool.config import Emitters


def halves(image):
    """How much brighter the upper half is than the lower, from 0 (lower) to 1 (upper)."""
    middle = image.shape[0] // 2
    return 0.5 + 0.5 * (image[:middle].mean() - image[middle:].mean())


measure = qdfool.Measure("halves", "upper half against lower half", 0.0, 1.0, halves)
config = qdfool.preset(
    "mnist-grid",
    evaluations=20_000,
    measures=(measure, "luminance"),
    cells=(12, 12),
    emitters=Emitters(("variation",)),
)
result = qdfool.evolve(config, out="archives/map-of-digits", overwrite=True)
print(
    f"{result.summary()['coverage']:.1%} of the cells have an image, {result.summary()['cells_at_9999']} for certain"
)
print("look at archives/map-of-digits/heatmap.png")
