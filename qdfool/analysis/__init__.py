"""Pictures of an archive and of how it grew: the only package that draws.

Every function takes plain NumPy arrays and leaves one PNG, written aside and renamed, so that a picture that
is there is always whole. No global state of matplotlib is touched: any thread may draw.
"""

from qdfool.analysis.confidence import nines, percent
from qdfool.analysis.curves import curves
from qdfool.analysis.gallery import gallery
from qdfool.analysis.heatmap import class_heatmap, grid_heatmaps

__all__ = ["class_heatmap", "curves", "gallery", "grid_heatmaps", "nines", "percent"]
