"""The demo: a small repository, a training program that knows nothing of gitml, and its runs."""
