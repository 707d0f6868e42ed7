"""A Dockerfile for a project: a slim Python, the project's requirements, the project, and the server.

Requirements are installed before the project is copied, so that a change of code does not install them
again. Everything from the config file goes into ``RUN`` in its JSON form, which no shell reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from caesura.loading import NAMES
from caesura.server.project.settings import Settings

_HOME: Final = "/project"


def dockerfile(settings: Settings, *, port: int = 2024) -> str:
    """The text of a Dockerfile; it is built in the project's directory.

    State is kept in the volume ``/project/.caesura``. The server listens on ``port`` of all addresses,
    so the project must say who may call, or the server does not start.
    """
    blocks = (_base(settings), _installs(settings), _project(settings), _serving(settings, port))
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _base(settings: Settings) -> Iterator[str]:
    yield "# Whatever lies in the directory is copied: list .env and .caesura in .dockerignore."
    yield f"FROM {settings.base_image or f'python:{settings.python_version}-slim'}"
    yield "ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1"
    if settings.pip_config_file is not None:
        yield f"COPY {_json(settings.pip_config_file, '/etc/pip.conf')}"
    yield from settings.dockerfile_lines


def _installs(settings: Settings) -> Iterator[str]:
    yield _run("pip", "install", "caesura[server]", *settings.requirements)
    yield f"WORKDIR {_HOME}"
    yield "COPY . ."


def _project(settings: Settings) -> Iterator[str]:
    for folder in settings.source_directories:
        inside = _inside(settings, folder)
        if (folder / "pyproject.toml").is_file() or (folder / "setup.py").is_file():
            yield _run("pip", "install", "--editable", inside)
        elif (folder / "requirements.txt").is_file():
            yield _run("pip", "install", "--requirement", f"{inside}/requirements.txt")
    yield _run("useradd", "--system", "caesura")
    yield _run("install", "--directory", "--owner=caesura", f"{_HOME}/.caesura")


def _inside(settings: Settings, folder: Path) -> str:
    """A dependency as the image sees it. Raises ValueError for one outside the project."""
    if not folder.is_relative_to(settings.directory):
        raise ValueError(
            f"The dependency {folder} lies outside {settings.directory}, so an image of the project "
            "cannot hold it. Nothing was written. Move it into the project, or install it by name."
        )
    return str(Path(".", folder.relative_to(settings.directory)))


def _serving(settings: Settings, port: int) -> Iterator[str]:
    yield "USER caesura"
    yield f"VOLUME {_json(f'{_HOME}/.caesura')}"
    yield f"EXPOSE {port}"
    command = ["caesura", "serve", "--host", "0.0.0.0", "--port", str(port)]
    if settings.file is not None and settings.file.name not in NAMES:
        command += ["--config", settings.file.name]
    yield f"CMD {_json(*command)}"


def _run(*command: str) -> str:
    return f"RUN {_json(*command)}"


def _json(*words: str) -> str:
    return json.dumps(words)
