"""gitml: experiments and models in the git repository you already have."""

__version__ = "0.1.0"
