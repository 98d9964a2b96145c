"""The measurements behind the claims. `make bench` runs all of them; see `__main__.py`."""
