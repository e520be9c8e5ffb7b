"""What a run shows to people beyond its tables."""
