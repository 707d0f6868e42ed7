"""The examples of the documentation run, as they are printed."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from tests.databases import fresh_schema, postgres_url

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if BLOCK.search(page.read_text(encoding="utf-8"))
]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_python_block_of_a_page_runs_in_order(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    with ExitStack() as stack:
        if "DATABASE_URL" in text:
            monkeypatch.setenv("DATABASE_URL", postgres_url())
            monkeypatch.setenv("DATABASE_SCHEMA", stack.enter_context(fresh_schema()))
        _run_blocks(page, text, monkeypatch)


def _run_blocks(page: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = list(BLOCK.finditer(text))
    module = ModuleType(f"docs_{page.stem.replace('-', '_').lower()}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        code = compile("\n" * line + block[1], str(page), "exec")
        exec(code, module.__dict__)


@pytest.mark.parametrize(
    "page",
    [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [
        link
        for link in links
        if not link.startswith(("http:", "https:", "mailto:")) and not (page.parent / link).exists()
    ]
    assert missing == []


def test_the_map_shows_the_rooms_that_exist_and_no_others() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawn = re.search(r"^```\nsrc/caesura/\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert drawn is not None
    shown = set(re.findall(r"\b([a-z_]+)(?:\.py|/)(?=\s)", drawn[1]))
    source = ROOT / "src" / "caesura"
    files = {path.stem for path in source.glob("*.py") if not path.stem.startswith("__")}
    folders = {path.name for path in source.iterdir() if path.is_dir() and list(path.rglob("*.py"))}
    assert shown == files | folders
