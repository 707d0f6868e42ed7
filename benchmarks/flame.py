"""Pictures of where Caesura's time goes: `python -m benchmarks.flame` writes `docs/flames/*.svg`.

For each picture py-spy starts this module again as a process that runs one workload of
`benchmarks.workloads` over and over, and looks a thousand times a second which functions it is in.
What it draws is made fit for being published: a title that tells what one sees, no paths of this
machine, and no frames too narrow to be seen. Threads that wait, for the disk for instance, do not count.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path
from typing import NamedTuple

from benchmarks.packages import Package, Place
from benchmarks.worker import driven
from benchmarks.workloads import WORKLOADS, Bench

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "flames"
RATE = 1000
"""Looks a second."""
NARROW = 0.2
"""Frames that take less of the width, in percent, are left out."""


class Flame(NamedTuple):
    """A picture: a workload on a saver, and what it shows."""

    workload: str
    saver: str
    size: int
    title: str


FLAMES = {
    "loop-memory": Flame("loop", "memory", 5000, "Steps of a loop, in memory"),
    "loop-sqlite": Flame("loop", "sqlite", 5000, "Steps of a loop, on SQLite"),
    "pause-sqlite": Flame("pause", "sqlite", 500, "Pauses and resumes, on SQLite"),
}


# --- what is looked at ---------------------------------------------------------------------------


async def _once(package: Package, flame: Flame) -> None:
    place = Place(flame.saver, False, False, "", "")
    async with package.saver(place) as saver:
        await WORKLOADS[flame.workload].run(Bench(package, saver, place, flame.size))


def repeat(flame: Flame, seconds: float) -> int:
    """Run the workload until the time is over, at least once; how often it was run."""
    package, times, end = Package("caesura"), 0, time.monotonic() + seconds
    while not times or time.monotonic() < end:
        driven(_once(package, flame))
        times += 1
    return times


# --- the picture ---------------------------------------------------------------------------------

_FRAME = re.compile(r"<g><title>[^<]*</title><rect [^>]*/>(?:<text [^>]*>[^<]*</text>)?</g>")
_WIDTH = re.compile(r'<rect [^>]*\bwidth="([0-9.]+)%')
_TEXT = re.compile(r'(<text id="(title|subtitle)"[^>]*>)[^<]*')
_PATH = re.compile(r"[^\s()<>\"]*/(?:(?:site|dist)-packages|src|lib/python3\.\d+)/(?=[\w.-])")
_FOLDER = re.compile(r"(?<=\()(?:[^\s()<>\":]*/)(?=benchmarks/)")


def published(svg: str, title: str) -> str:
    """The picture as it may be shown to anybody."""
    svg = _FRAME.sub(lambda found: found[0] if _is_wide(found[0]) else "", svg)
    svg = _FOLDER.sub("", _PATH.sub("", svg))
    return _TEXT.sub(lambda found: found[1] + (escape(title) if found[2] == "title" else ""), svg)


def _is_wide(frame: str) -> bool:
    width = _WIDTH.search(frame)
    return width is None or float(width[1]) >= NARROW


def leaks(svg: str) -> list[str]:
    """What still tells of this machine: absolute paths, and the home of who runs this."""
    text = re.sub(r"<script.*?</script>", "", svg, flags=re.DOTALL)
    found = re.findall(r"(?<=[\s(>\"])/[\w.-]+/[^\s()<\"]*", text)
    return sorted({*found, *re.findall(re.escape(str(Path.home())) + r"\S*", text)})


def command(spy: str, name: str, seconds: int, output: Path) -> list[str]:
    """How py-spy is told to look at a workload."""
    looks = [spy, "record", "--format", "flamegraph", "--rate", str(RATE), "--function"]
    work = [sys.executable, "-m", "benchmarks.flame", "--work", name, "--seconds", str(seconds)]
    return [*looks, "--output", str(output), "--", *work]


def draw(spy: str, name: str, seconds: int) -> str:
    """The picture of that name. Raises `SystemExit` if py-spy may not look."""
    flame = FLAMES[name]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "flame.svg"
        told = subprocess.run(
            command(spy, name, seconds, output), cwd=ROOT, capture_output=True, text=True
        )
        if told.returncode != 0 or not output.exists():
            raise SystemExit(
                f"py-spy could not look at a process: {told.stderr.strip() or told.stdout.strip()}\n"
                "It needs the right to trace one: in a container SYS_PTRACE, on macOS root. "
                "Nothing was written."
            )
        svg = published(output.read_text(encoding="utf-8"), f"Caesura: {flame.title}")
    if found := leaks(svg):
        raise SystemExit(f"{name} tells of this machine and was not written: {', '.join(found)}")
    return svg


def main() -> int:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flame", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*FLAMES], default=[*FLAMES], metavar="NAME")
    parser.add_argument("--seconds", type=int, default=10, metavar="N", help="for each picture")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--work", choices=[*FLAMES], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        repeat(FLAMES[given.work], given.seconds)
        return 0
    spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}") or shutil.which("py-spy")
    if spy is None:
        raise SystemExit(
            "The pictures are made by py-spy: pip install py-spy. Nothing was written."
        )
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in given.only:
        (given.folder / f"{name}.svg").write_text(draw(spy, name, given.seconds), encoding="utf-8")
        print(f"{name}.svg: {FLAMES[name].title}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
