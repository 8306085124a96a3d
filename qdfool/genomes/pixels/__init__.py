"""Images as genomes: a gene, or a bit, per pixel and channel; first images, mutations, crossovers, repair."""
