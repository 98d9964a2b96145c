"""The list of all runs, and the runs compared in it."""
