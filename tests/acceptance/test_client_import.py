"""What importing the client needs, and what it does not."""

from __future__ import annotations

import subprocess
import sys


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_the_client_does_not_import_the_server() -> None:
    done = run(
        "import sys, caesura.client\n"
        "print([name for name in sys.modules if name.startswith('caesura.server')])"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_without_httpx_the_import_says_what_to_install() -> None:
    for module in ("caesura.client", "caesura.pregel.remote"):
        done = run(f"import sys\nsys.modules['httpx'] = None\nimport {module}")
        assert 'pip install "caesura[client]"' in done.stderr


def test_programs_that_stay_here_need_no_httpx() -> None:
    done = run("import sys\nsys.modules['httpx'] = None\nimport caesura.graph, caesura.pregel")
    assert done.returncode == 0, done.stderr
