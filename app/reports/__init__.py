"""What a run is in words and files: findings, exports, the report."""
