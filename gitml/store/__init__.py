"""Runs in git: plumbing, live, hot and sealed runs, source trees, large files."""
