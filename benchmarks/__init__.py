"""Figures beside peers, in one run: `python -m benchmarks.features` and `python -m benchmarks.engine_choice`."""
