"""The pictures of where time goes: what is looked at, and what is shown of it. Nothing is traced here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks import flame
from benchmarks.flame import FLAMES, command, leaks, published, repeat
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]


def frame(name: str, width: float) -> str:
    """A frame as py-spy draws it."""
    return (
        f'<g><title>{name} (9 samples, {width:.2f}%)</title><rect x="0.0%" y="4" width="{width:.4f}%" '
        f'height="15" fill="rgb(1,2,3)"/><text x="0.2%" y="14.50">{name}</text></g>'
    )


def picture(*frames: str) -> str:
    """A small one of py-spy's pictures."""
    told = "py-spy record --output /tmp/x -- /home/ann/venv/bin/python -m benchmarks.flame"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg"><script><![CDATA[ /a/b(c) ]]></script>'
        f'<text id="title" x="50%" y="24">{told}</text><text id="subtitle" x="50%"></text>'
        f"{''.join(frames)}</svg>"
    )


@pytest.mark.parametrize("name", FLAMES)
def test_each_picture_is_of_a_workload_that_runs_on_its_saver(name: str) -> None:
    chosen = FLAMES[name]
    assert chosen.saver in WORKLOADS[chosen.workload].savers or chosen.workload == "pause"
    assert repeat(chosen._replace(size=2), 0) == 1


def test_what_py_spy_is_told_to_start_runs_the_workload() -> None:
    told = command("py-spy", "loop-memory", 0, Path("out.svg"))
    work = told[told.index("--") + 1 :]
    done = subprocess.run(work, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_picture_says_what_one_sees_and_not_how_it_was_made() -> None:
    made = published(picture(frame("run", 50)), "Steps & pauses")
    texts = [each.text for each in ElementTree.fromstring(made).iter() if each.get("id")]
    assert texts == ["Steps & pauses", None]
    assert "py-spy" not in made


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/ann/work/src/caesura/core/plan.py:3", "caesura/core/plan.py:3"),
        ("/opt/v/lib/python3.11/site-packages/rich/a.py:3", "rich/a.py:3"),
        ("/usr/lib/python3.11/asyncio/base_events.py:3", "asyncio/base_events.py:3"),
        ("/home/ann/work/benchmarks/worker.py:3", "benchmarks/worker.py:3"),
        ("caesura/core/plan.py:3", "caesura/core/plan.py:3"),
        ("&lt;frozen runpy&gt;:1", "&lt;frozen runpy&gt;:1"),
    ],
)
def test_paths_are_shown_from_the_package_on(path: str, shown: str) -> None:
    made = published(picture(frame(f"plan ({path})", 50)), "title")
    assert made.count(f"plan ({shown})") == 2
    assert leaks(made) == []


def test_a_path_that_is_of_this_machine_only_is_told() -> None:
    odd = f"{Path.home()}/odd/thing.py"
    made = published(picture(frame(f"f ({odd}:1)", 50)), "title")
    assert any(odd in each for each in leaks(made))


def test_frames_too_narrow_to_be_seen_are_left_out() -> None:
    made = published(picture(frame("wide", 0.2), frame("narrow", 0.05)), "title")
    assert ("wide" in made, "narrow" in made) == (True, False)
    ElementTree.fromstring(made)


def test_without_py_spy_one_is_told_what_to_install_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flame.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(sys, "argv", ["flame", "--folder", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="pip install py-spy"):
        flame.main()
    assert not (tmp_path / "out").exists()


def test_where_py_spy_may_not_look_one_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    spy.write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
    spy.chmod(0o755)
    with pytest.raises(SystemExit, match=r"Operation not permitted(.|\n)*SYS_PTRACE"):
        flame.draw(str(spy), "loop-memory", 1)


def test_the_pictures_that_are_published_are_all_there_small_and_of_no_machine() -> None:
    folder = ROOT / "docs" / "flames"
    assert {path.stem for path in folder.glob("*.svg")} == {*FLAMES}
    for path in folder.glob("*.svg"):
        svg = path.read_text(encoding="utf-8")
        assert path.stat().st_size < 150_000
        assert leaks(svg) == []
        assert FLAMES[path.stem].title in svg
        ElementTree.fromstring(svg)
