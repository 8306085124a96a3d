"""Graphs of networks, from the smallest to sixty nodes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from qdfool.analysis import GraphConnection, GraphNode, cppn_graph
from qdfool.analysis.network_graph import ACTIVATIONS, NEGATIVE, PALE, POSITIVE, _blend, _live, _places
from qdfool.errors import InputError
from qdfool.genomes.cppn import evaluation

INPUTS = [GraphNode(label, "input", 0, "input") for label in ("x", "y", "distance", "bias")]


def seen(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    assert pixels.shape[1] == 1350
    assert pixels.std() > 2
    return pixels


def area(pixels, colour):
    """Pixels within rounding of a colour; `colour` is a name or three parts in [0, 1]."""
    return int((np.abs(pixels - 255 * np.array(to_rgb(colour))) <= 1.5).all(axis=-1).sum())


def network(hidden, seed=0):
    """A network of four inputs, so many hidden nodes and three outputs, each fed by one to three nodes."""
    chance = np.random.default_rng(seed)
    nodes, connections = list(INPUTS), []

    def add(label, activation, role):
        sources = chance.choice(len(nodes), chance.integers(1, 4), replace=False)
        depth = 1 + max(nodes[source].depth for source in sources)
        nodes.append(GraphNode(label, activation, depth, role))
        connections.extend(
            GraphConnection(int(source), len(nodes) - 1, float(chance.normal(0, 1.5))) for source in sources
        )

    for index in range(hidden):
        add(str(index), list(ACTIVATIONS)[chance.integers(len(ACTIVATIONS))], "hidden")
    for label in ("hue", "lightness", "saturation"):
        add(label, "tanh", "output")
    return nodes, connections


@pytest.mark.parametrize("hidden", [0, 5, 53])
def test_a_graph_with_its_image(tmp_path, hidden):
    nodes, connections = network(hidden)
    red = np.zeros((8, 10, 3), np.uint8)
    red[..., 0] = 255
    cppn_graph(tmp_path / "graph.png", nodes, connections, "A title")
    cppn_graph(tmp_path / "image.png", nodes, connections, "A title", red)
    assert area(seen(tmp_path / "graph.png"), "#ff0000") == 0
    assert area(seen(tmp_path / "image.png"), "#ff0000") > 10_000


def test_a_grey_image_is_grey(tmp_path):
    nodes, connections = network(3)
    cppn_graph(tmp_path / "graph.png", nodes, connections, "A title", np.full((4, 4, 1), 66, np.uint8))
    assert area(seen(tmp_path / "graph.png"), (66 / 255,) * 3) > 10_000


@pytest.mark.parametrize("hidden", [0, 5, 20, 53])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_connections_lead_right_and_no_nodes_overlap(hidden, seed):
    nodes, connections = network(hidden, seed)
    places = _places(nodes, connections)
    for connection in connections:
        assert places[connection.source, 0] < places[connection.target, 0]
    for layer in np.unique(places[:, 0]):
        heights = np.sort(places[places[:, 0] == layer, 1])
        assert (np.diff(heights) >= 0.99 / len(heights)).all()
    assert places[:, 1].min() >= 0
    assert places[:, 1].max() <= 1
    np.testing.assert_array_equal(np.argsort(-places[:4, 1]), range(4))


def test_an_order_without_crossings_is_found():
    nodes = [GraphNode(str(index), "input", 0, "input") for index in range(3)]
    nodes += [GraphNode(str(index), "sine", 1, "output") for index in range(3)]
    connections = [GraphConnection(index, 5 - index, 1.0) for index in range(3)]
    places = _places(nodes, connections)
    np.testing.assert_allclose(places[:3, 1], places[:2:-1, 1])


def test_an_output_that_feeds_nothing_is_in_the_last_layer():
    nodes = [INPUTS[0], GraphNode("a", "sine", 1, "output"), GraphNode("b", "sine", 5, "output")]
    places = _places(nodes, [GraphConnection(0, 1, 1.0), GraphConnection(0, 2, 1.0)])
    np.testing.assert_array_equal(places[:, 0], [0, 1, 1])


def test_what_no_output_depends_on_is_pale(tmp_path):
    nodes = [
        INPUTS[0],
        GraphNode("a", "sine", 1, "hidden"),
        GraphNode("b", "gaussian", 2, "hidden"),
        GraphNode("c", "tanh", 3, "output"),
    ]
    dead = [GraphConnection(0, 1, 1.0), GraphConnection(1, 2, 1.0), GraphConnection(0, 3, 1.0)]
    alive = [*dead, GraphConnection(2, 3, 1.0)]
    np.testing.assert_array_equal(_live(nodes, dead), [True, False, False, True])
    assert _live(nodes, alive).all()
    pale = _blend(ACTIVATIONS["sine"], PALE)
    cppn_graph(tmp_path / "dead.png", nodes, dead, "A title")
    cppn_graph(tmp_path / "alive.png", nodes, alive, "A title")
    assert area(seen(tmp_path / "dead.png"), pale) > 300 > area(seen(tmp_path / "alive.png"), pale)


def test_weights_are_told_apart_by_sign_and_size(tmp_path):
    nodes, connections = network(0)
    positive = [replace(connection, weight=1.0) for connection in connections]
    negative = [replace(connection, weight=-1.0) for connection in connections]
    uneven = [replace(positive[0], weight=100.0), *positive[1:]]
    pictures = []
    for name, chosen in (("positive", positive), ("negative", negative), ("uneven", uneven)):
        cppn_graph(tmp_path / f"{name}.png", nodes, chosen, "A title")
        pictures.append(seen(tmp_path / f"{name}.png"))

    def drawn(pixels, colour):
        """Pixels of lines, which are drawn at 0.7 opacity; the legend is not."""
        return area(pixels, _blend(colour, 0.7))

    assert drawn(pictures[0], POSITIVE) > 2 * drawn(pictures[2], POSITIVE) > 0
    assert drawn(pictures[0], NEGATIVE) == drawn(pictures[1], POSITIVE) == 0
    assert drawn(pictures[1], NEGATIVE) > 500


def test_activations_have_their_colours_and_unknown_ones_a_grey(tmp_path):
    nodes = [replace(node, activation="sine") if node.role == "output" else node for node in network(0)[0]]
    connections = network(0)[1]
    cppn_graph(tmp_path / "sine.png", nodes, connections, "A title")
    nodes[-1] = replace(nodes[-1], activation="wavelet")
    cppn_graph(tmp_path / "wavelet.png", nodes, connections, "A title")
    sine, wavelet = seen(tmp_path / "sine.png"), seen(tmp_path / "wavelet.png")
    assert area(sine, ACTIVATIONS["sine"]) > area(wavelet, ACTIVATIONS["sine"]) > 500
    assert area(wavelet, "#bbbbbb") > area(sine, "#bbbbbb") + 300


def test_nodes_alone(tmp_path):
    cppn_graph(tmp_path / "graph.png", [GraphNode("only", "sine", 0, "output")], [], "A title")
    assert area(seen(tmp_path / "graph.png"), ACTIVATIONS["sine"]) > 100


def test_what_is_no_feed_forward_graph_is_refused(tmp_path):
    path = tmp_path / "graph.png"
    nodes, connections = network(2)
    with pytest.raises(InputError, match="at least one node"):
        cppn_graph(path, [], [], "A title")
    with pytest.raises(InputError, match="not among the 9"):
        cppn_graph(path, nodes, [GraphConnection(0, 9, 1.0)], "A title")
    with pytest.raises(InputError, match="feed-forward"):
        cppn_graph(path, nodes, [GraphConnection(4, 0, 1.0)], "A title")
    with pytest.raises(InputError, match="finite"):
        cppn_graph(path, nodes, [replace(connections[0], weight=np.nan)], "A title")
    unknown: Any = "middle"
    with pytest.raises(InputError, match="role"):
        cppn_graph(path, [GraphNode("a", "sine", 0, unknown)], [], "A title")
    with pytest.raises(InputError, match="uint8"):
        cppn_graph(path, nodes, connections, "A title", np.zeros((4, 4), np.uint8))
    assert not path.exists()


def test_every_activation_has_a_colour():
    assert set(ACTIVATIONS) == set(evaluation.ACTIVATIONS)
