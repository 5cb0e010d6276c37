"""One history on many machines: runs, models and large files to a remote and from it."""
