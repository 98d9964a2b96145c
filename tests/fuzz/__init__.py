"""Hostile input for everything that takes any: `python -m tests.fuzz --inputs 10000 --seed 1`."""
