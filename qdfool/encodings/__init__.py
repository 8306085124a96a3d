"""Encodings: how a genome becomes an image. One module each, one table of them all."""
