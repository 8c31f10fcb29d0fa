"""What audio costs: `python -m benchmarks.media`."""
