"""Settings as the page has them."""
