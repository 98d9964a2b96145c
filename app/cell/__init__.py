"""The tabs of the page that looks inside the cell."""
