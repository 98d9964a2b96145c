"""The live line from the store to the browsers."""
