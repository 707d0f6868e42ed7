"""The command line: ``caesura run, answer, interrupts, threads, history, graph, check``, and for
servers ``dev, serve, new, validate, keys, dockerfile``.

`main` is the entry point of the script ``caesura`` and of ``python -m caesura``.
"""

from __future__ import annotations


def main() -> None:
    """Run the command that ``sys.argv`` names; ends the process with one of `outcomes.Exit`."""
    from caesura.cli.app import app
    from caesura.cli.serving import add_commands

    add_commands(app)

    app()
