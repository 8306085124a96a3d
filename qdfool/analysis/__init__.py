"""Pictures of an archive and of how it grew: the only package that draws.

Every function takes plain NumPy arrays and leaves PNGs, written aside and renamed, so that a picture that
is there is always whole. No global state of matplotlib is touched: any thread may draw.
"""

from qdfool.analysis.class_index import class_index_figure
from qdfool.analysis.confidence import nines, percent
from qdfool.analysis.curves import curves
from qdfool.analysis.gallery import gallery
from qdfool.analysis.heatmap import class_heatmap, grid_heatmaps
from qdfool.analysis.network_graph import GraphConnection, GraphNode, cppn_graph
from qdfool.analysis.overview import overview, sample_classes
from qdfool.analysis.sheets import contact_sheets

__all__ = [
    "GraphConnection",
    "GraphNode",
    "class_heatmap",
    "class_index_figure",
    "contact_sheets",
    "cppn_graph",
    "curves",
    "gallery",
    "grid_heatmaps",
    "nines",
    "overview",
    "percent",
    "sample_classes",
]
