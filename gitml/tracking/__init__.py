"""Record a run: what is captured by itself, and what a program says."""
