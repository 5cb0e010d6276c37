"""A report of static pages: gather runs, make contexts, render, write what changed."""
