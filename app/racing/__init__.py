"""Races: what can be raced, the page's part, and what is read of one while it goes on."""
