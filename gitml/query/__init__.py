"""Runs found again: the index, ``--where``, and what RUN may mean."""
