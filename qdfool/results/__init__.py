"""Results: what is kept of a run, on the host and on disk."""
