"""The graph of a CPPN: its nodes from input to output, its connections by weight."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from qdfool.analysis import page, style
from qdfool.errors import InputError

ACTIVATIONS = {
    "sine": "#56b4e9",
    "sigmoid": "#e69f00",
    "gaussian": "#009e73",
    "linear": "#cc79a7",
    "tanh": "#f0e442",
}
"""Colours of the palette of Okabe and Ito (2008), the same in every picture."""
OTHERS = ("#bbbbbb", "#999999", "#777777", "#dddddd")
"""Greys of activations that are not listed."""
INPUT = "input"
"""The activation of the inputs, which have none."""
POSITIVE, NEGATIVE = style.MEDIAN, style.MINIMUM
PALE = 0.25
"""Opacity of what no output depends on."""
SWEEPS = 12
"""Passes over the layers, after which their order hardly changes."""


@dataclass(frozen=True)
class GraphNode:
    """A node of a network."""

    label: str
    activation: str
    """The function's name; "input" of an input. Those of `ACTIVATIONS` have their own colours."""
    depth: int
    """The layer it is drawn in, lower further left; more than that of any node that feeds it."""
    role: Literal["input", "hidden", "output"]


@dataclass(frozen=True)
class GraphConnection:
    """A weight between two nodes, given by their places in the sequence of nodes."""

    source: int
    target: int
    weight: float


def cppn_graph(
    path: str | os.PathLike[str],
    nodes: Sequence[GraphNode],
    connections: Sequence[GraphConnection],
    title: str,
    image: NDArray[np.uint8] | None = None,
) -> None:
    """Draws a feed-forward network of up to about sixty nodes from left to right, into the PNG `path`.

    Hidden nodes from which no path leads to an output are pale, and so are connections to them.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        nodes: the nodes, in any order.
        connections: the connections; thicker where the weight is larger, coloured by its sign.
        title: what is shown.
        image: [H, W, C] uint8, grey (C = 1) or RGB (C = 3): what the network paints, shown at the right.

    Raises:
        InputError: there is no node, a connection names one that is not there or does not lead to a deeper one,
            a role is unknown, a weight is not finite, or the image has another shape.
    """
    _check(nodes, connections)
    if image is not None:
        image = page.checked_images(np.asarray(image)[None], 1)[0]
    live = _live(nodes, connections)
    places = _places(nodes, connections)
    tallest = max(np.unique(places[:, 0], return_counts=True)[1])

    figure = Figure(
        figsize=(style.WIDTH, 1.5 + float(np.clip(0.42 * tallest, 3.2, 9.0))), layout="constrained"
    )
    if image is None:
        axes = figure.add_subplot()
    else:
        axes, picture = figure.subplots(1, 2, width_ratios=[2.6, 1])
        picture.imshow(
            image if image.shape[-1] == 3 else np.repeat(image, 3, axis=-1), interpolation="antialiased"
        )
        picture.set(xticks=[], yticks=[])
        picture.set_xlabel("image", size=style.TEXT_SIZE)
    axes.set_axis_off()
    axes.set_xlim(places[:, 0].min() - 0.55, places[:, 0].max() + 0.55)
    axes.set_ylim(-0.04, 1.04)
    _draw_connections(axes, connections, places, live)
    _draw_nodes(axes, nodes, places, live, tallest)
    figure.legend(
        handles=_legend(nodes, connections),
        loc="outside lower center",
        ncols=4,
        fontsize=style.TEXT_SIZE,
        frameon=False,
    )
    style.heading(figure, title, _subtitle(nodes, connections, live))
    style.save(figure, path)


def _check(nodes: Sequence[GraphNode], connections: Sequence[GraphConnection]) -> None:
    if not nodes:
        raise InputError("A graph needs at least one node; got none.")
    for node in nodes:
        if node.role not in ("input", "hidden", "output"):
            raise InputError(
                f"The role of node {node.label!r} must be input, hidden or output; got {node.role!r}."
            )
    for connection in connections:
        if not (0 <= connection.source < len(nodes) and 0 <= connection.target < len(nodes)):
            raise InputError(f"{connection} names a node that is not among the {len(nodes)} of the graph.")
        if nodes[connection.source].depth >= nodes[connection.target].depth:
            raise InputError(
                f"{connection} must lead to a greater depth; it goes from {nodes[connection.source].depth} to "
                f"{nodes[connection.target].depth}. Is the network feed-forward?"
            )
        if not np.isfinite(connection.weight):
            raise InputError(f"The weight of {connection} must be finite.")


def _live(nodes: Sequence[GraphNode], connections: Sequence[GraphConnection]) -> NDArray[np.bool_]:
    """[nodes] whether an output depends on the node; inputs and outputs always count."""
    live = np.array([node.role != "hidden" for node in nodes])
    for connection in sorted(connections, key=lambda connection: -nodes[connection.target].depth):
        live[connection.source] |= live[connection.target]
    return live


def _places(nodes: Sequence[GraphNode], connections: Sequence[GraphConnection]) -> NDArray[np.float64]:
    """[nodes, 2] layer and height in [0, 1] of each node.

    The order within a layer follows the mean height of the neighbours, which keeps crossings few: the barycentre
    heuristic of Sugiyama, Tagawa and Toda (1981).
    """
    feeds = {connection.source for connection in connections}
    last = max(node.depth for node in nodes)
    depths = [
        last if node.role == "output" and index not in feeds else node.depth
        for index, node in enumerate(nodes)
    ]
    layers, layer = np.unique(depths, return_inverse=True)
    members = [np.flatnonzero(layer == index) for index in range(len(layers))]
    neighbours: list[list[int]] = [[] for _ in nodes]
    for connection in connections:
        neighbours[connection.source].append(connection.target)
        neighbours[connection.target].append(connection.source)

    heights = np.empty(len(nodes))
    for index, member in enumerate(members):
        heights[member] = _spread(len(member), index, len(layers))
    for sweep in range(SWEEPS):
        order = range(len(layers)) if sweep % 2 == 0 else reversed(range(len(layers)))
        for index in order:
            member = members[index]
            if index == 0 and nodes[member[0]].role == "input":
                continue  # inputs stay in the order they came in
            wish = [
                heights[neighbours[node]].mean() if neighbours[node] else heights[node] for node in member
            ]
            members[index] = member[np.argsort(-np.array(wish), kind="stable")]
            heights[members[index]] = _spread(len(member), index, len(layers))
    return np.stack([layer.astype(np.float64), heights], axis=1)


def _spread(count: int, layer: int, layers: int) -> NDArray[np.float64]:
    """[count] heights from the top down. Inner layers are shifted by turns, so that no straight row of nodes
    hides the connections that run past them."""
    heights = 1 - (np.arange(count) + 0.5) / count
    if 0 < layer < layers - 1:
        heights += (0.22 if layer % 2 else -0.22) / count
    return heights


def _draw_connections(
    axes: Axes, connections: Sequence[GraphConnection], places: NDArray[np.float64], live: NDArray[np.bool_]
) -> None:
    """Curves that leave and arrive horizontally; the strongest are drawn last, on top."""
    largest = max((abs(connection.weight) for connection in connections), default=1.0) or 1.0
    for connection in sorted(connections, key=lambda connection: abs(connection.weight)):
        (x0, y0), (x1, y1) = places[connection.source], places[connection.target]
        bend = 0.45 * (x1 - x0)
        curve = Path(
            [(x0, y0), (x0 + bend, y0), (x1 - bend, y1), (x1, y1)],
            [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4],
        )
        axes.add_patch(
            PathPatch(
                curve,
                fill=False,
                edgecolor=POSITIVE if connection.weight >= 0 else NEGATIVE,
                linewidth=0.4 + 3.2 * abs(connection.weight) / largest,
                alpha=0.7 if live[connection.target] else PALE,
                zorder=1,
            )
        )


def _draw_nodes(
    axes: Axes,
    nodes: Sequence[GraphNode],
    places: NDArray[np.float64],
    live: NDArray[np.bool_],
    tallest: int,
) -> None:
    """Discs by activation; labels in them, or beside the inputs and outputs, whose labels are words."""
    colours = _colours(nodes)
    diameter = float(np.clip(300 / tallest, 13, 24))
    size = float(np.clip(diameter * 0.42, 6, 9))
    for node, (x, y), alive in zip(nodes, places, live, strict=True):
        axes.plot(
            x,
            y,
            marker={"input": "s", "hidden": "o", "output": "D"}[node.role],
            markersize=diameter * (0.8 if node.role == "output" else 1),
            markerfacecolor=_blend(colours[node.activation], 1 if alive else PALE),
            markeredgecolor=_blend(style.INK, 1 if alive else PALE),
            markeredgewidth=0.9,
            zorder=2,
        )
        beside = {"input": -1, "hidden": 0, "output": 1}[node.role]
        axes.annotate(
            style.shorten(node.label, 80 if beside else diameter * 0.95, size),
            (x, y),
            xytext=(beside * (diameter / 2 + 4), 0),
            textcoords="offset points",
            ha={-1: "right", 0: "center", 1: "left"}[beside],
            va="center",
            size=size,
            color=_blend(style.INK, 1 if alive else 0.5),
            parse_math=False,
            zorder=3,
        )


def _colours(nodes: Sequence[GraphNode]) -> dict[str, str]:
    """The colour of each activation in the graph; the listed ones first, then others by name."""
    used = {node.activation for node in nodes}
    colours = {name: colour for name, colour in ACTIVATIONS.items() if name in used}
    others = sorted(used - colours.keys() - {INPUT})
    colours |= {name: OTHERS[index % len(OTHERS)] for index, name in enumerate(others)}
    return colours | ({INPUT: "#ffffff"} if INPUT in used else {})


def _blend(colour: str, opacity: float) -> tuple[float, float, float]:
    """`colour` as it looks on white, itself opaque, so that lines do not shine through a node."""
    red, green, blue = (1 - opacity * (1 - channel) for channel in to_rgb(colour))
    return red, green, blue


def _legend(nodes: Sequence[GraphNode], connections: Sequence[GraphConnection]) -> list[Line2D]:
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker="s" if name == INPUT else "o",
            markersize=9,
            markerfacecolor=colour,
            markeredgecolor=style.INK,
            label=name,
        )
        for name, colour in _colours(nodes).items()
    ]
    if connections:
        handles += [
            Line2D([], [], color=POSITIVE, linewidth=2, label="positive weight"),
            Line2D([], [], color=NEGATIVE, linewidth=2, label="negative weight"),
        ]
    return handles


def _subtitle(
    nodes: Sequence[GraphNode], connections: Sequence[GraphConnection], live: NDArray[np.bool_]
) -> str:
    counts = {role: sum(node.role == role for node in nodes) for role in ("input", "hidden", "output")}
    text = ", ".join(
        f"{count} {role}{'s' * (role != 'hidden' and count != 1)}" for role, count in counts.items()
    )
    text += f", {len(connections)} connection{'s' * (len(connections) != 1)}"
    if connections:
        largest = max(abs(connection.weight) for connection in connections)
        text += f"; thickness by weight, at most {largest:.2g}"
    if not live.all():
        text += f"; pale: {int((~live).sum())} without a path to an output"
    return text
