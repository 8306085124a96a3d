"""Images with labels that classifiers are trained and tested on; NumPy only."""
