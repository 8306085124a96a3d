"""Lists of black pixels as genomes: how they are drawn, crossed and mutated."""
