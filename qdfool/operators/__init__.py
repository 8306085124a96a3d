"""Variation and selection: how parents are chosen and how children differ from them.

`mutation` and `crossover` are written for one individual and `vmap`ped by the engine; `selection` draws a
whole generation of parents from the archive's cells.
"""
