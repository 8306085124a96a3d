"""The arrays of a file of a run folder, as NumPy has them."""

from pathlib import Path

import numpy as np


def arrays_of(folder: Path, name: str = "elites.npz") -> dict[str, np.ndarray]:
    """All of them by their names."""
    with np.load(folder / name) as file:
        return dict(file)
