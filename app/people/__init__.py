"""Who sits before a page, and what they may change."""
