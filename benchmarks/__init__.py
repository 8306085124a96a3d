"""What a reader re-runs: benchmarks that compare like with like, in one run."""
