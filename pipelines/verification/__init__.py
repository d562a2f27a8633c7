"""Recovery checks: what model and explanations find of the truth that the simulator planted."""
