"""qdfool beside its peers, on the task of the paper: see `python -m benchmarks.peers --help`."""
