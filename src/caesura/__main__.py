"""``python -m caesura`` is the script ``caesura``."""

from __future__ import annotations

from caesura.cli import main

if __name__ == "__main__":
    main()
