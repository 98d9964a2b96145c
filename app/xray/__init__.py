"""The page of initializers."""
