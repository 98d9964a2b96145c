"""What stands between the pages and the world: who is let in, what a browser may do, what is written down."""
