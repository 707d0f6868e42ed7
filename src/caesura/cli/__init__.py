"""The command line: ``caesura run, answer, interrupts, threads, history, graph``.

`main` is the entry point of the script ``caesura`` and of ``python -m caesura``.
"""

from __future__ import annotations


def main() -> None:
    """Run the command that ``sys.argv`` names; ends the process with one of `outcomes.Exit`."""
    from caesura.cli.app import app

    app()
