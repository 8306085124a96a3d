"""Genomes: a room for each, with its encoding (how it becomes an image) and its operators (how it varies)."""
