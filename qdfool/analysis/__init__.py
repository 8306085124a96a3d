"""Pictures of archives, of how they grew, and of what studies measure: the only package that draws.

Every function takes plain NumPy arrays and leaves PNGs, written aside and renamed, so that a picture that
is there is always whole. No global state of matplotlib is touched: any thread may draw.
"""

from qdfool.analysis.boxes import boxes
from qdfool.analysis.charts import intervals, line_panels, lines
from qdfool.analysis.class_index import class_index_figure
from qdfool.analysis.confidence import nines, percent
from qdfool.analysis.curves import curves, seed_curves
from qdfool.analysis.density import density_maps
from qdfool.analysis.gallery import gallery
from qdfool.analysis.heatmap import class_heatmap, grid_heatmaps
from qdfool.analysis.image_table import image_table
from qdfool.analysis.network_graph import GraphConnection, GraphNode, cppn_graph
from qdfool.analysis.overview import overview, sample_classes
from qdfool.analysis.scatter import scatter
from qdfool.analysis.sheets import contact_sheets

__all__ = [
    "GraphConnection",
    "GraphNode",
    "boxes",
    "class_heatmap",
    "class_index_figure",
    "contact_sheets",
    "cppn_graph",
    "curves",
    "density_maps",
    "gallery",
    "grid_heatmaps",
    "image_table",
    "intervals",
    "line_panels",
    "lines",
    "nines",
    "overview",
    "percent",
    "sample_classes",
    "scatter",
    "seed_curves",
]
