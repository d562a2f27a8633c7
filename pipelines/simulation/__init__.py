"""The parts of the simulated squad; `pipelines.simulate` is the way in."""
