"""A run brought back: its source tree and its files, written so that nothing else is touched."""
