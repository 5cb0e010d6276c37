"""What ``python -m gitml`` runs."""

from __future__ import annotations

import sys

from gitml.cli import main

if __name__ == "__main__":
    sys.exit(main())
