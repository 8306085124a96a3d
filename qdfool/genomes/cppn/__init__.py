"""Compositional pattern-producing networks as genomes: the graph, how it is drawn, how it mutates."""
