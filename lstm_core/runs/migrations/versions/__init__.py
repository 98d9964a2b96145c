"""The formats of the store, a revision each."""
