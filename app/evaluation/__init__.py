"""What `property-hub evaluate` measures: labels, recordings as streams, and the score."""
