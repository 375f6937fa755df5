"""Outcome models, one file each; ``sim.registry`` finds them."""
