"""Config files: what is accepted, what the defaults are, and how a mistake is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caesura.loading import find_config
from caesura.server.project.dockerfile import dockerfile
from caesura.server.project.environment import (
    Environment,
    apply_project_variables,
    project_variables,
)
from caesura.server.project.errors import ConfigError
from caesura.server.project.sections import GraphSpec
from caesura.server.project.settings import Settings, read_settings
from caesura.server.project.watching import is_watched, watched_directories, watched_files

PROJECTS = Path(__file__).resolve().parents[1] / "fixtures" / "projects"
AGENT = {"agent": "./agent.py:graph"}


def settings_in(folder: Path, **keys: Any) -> Settings:
    file = folder / "caesura.json"
    file.write_text(json.dumps({"graphs": AGENT, **keys}))
    return read_settings(file)


def refusal_of(folder: Path, **keys: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        settings_in(folder, **keys)
    return caught.value


def told(error: ConfigError) -> list[tuple[str, str]]:
    return [(p.where, p.message) for p in error.problems]


# --- reading ---------------------------------------------------------------------------------


def test_a_minimal_file_has_all_defaults(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert settings.engine == "caesura"
    assert settings.waiting_thread == "withdraw"
    assert settings.auth is None
    assert settings.http.cors is None
    assert settings.http.disable_mcp is False
    assert settings.limits.body_bytes == 16 * 1024 * 1024
    assert settings.webhooks.url.disable_loopback is True
    assert settings.store.index is None
    assert settings.checkpointer.ttl is None
    assert (settings.directory, settings.file) == (tmp_path, tmp_path / "caesura.json")


def test_a_graph_is_a_text_or_an_object(tmp_path: Path) -> None:
    graphs = {
        "short": "./a.py:graph",
        "long": {"path": "shop.agents:make", "description": "Sells."},
    }
    settings = settings_in(tmp_path, graphs=graphs)
    assert settings.graphs == {
        "short": GraphSpec(path="./a.py", variable="graph"),
        "long": GraphSpec(path="shop.agents", variable="make", description="Sells."),
    }


def test_every_documented_key_is_accepted_without_a_warning(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path,
        dependencies=[".", "httpx"],
        env={"A": "1"},
        python_version="3.12",
        node_version="20",
        api_version="0.3",
        base_image="python:3.12",
        image_distro="wolfi",
        pip_config_file="pip.conf",
        pip_installer="uv",
        keep_pkg_tools=True,
        dockerfile_lines=["RUN true"],
        auth={
            "path": "./auth.py:auth",
            "disable_studio_auth": True,
            "openapi": {"securitySchemes": {}},
            "cache": {"cache_keys": ["authorization"], "ttl_seconds": 60},
            "keys": True,
            "oidc": {"issuer": "https://id.example", "audience": "shop", "groups_claim": "groups"},
        },
        encryption={"path": "./encryption.py:encryption"},
        http={
            "app": "./app.py:app",
            "cors": {"allow_origins": ["https://shop.example"], "max_age": 5},
            "configurable_headers": {"includes": ["x-*"], "excludes": ["x-secret"]},
            "logging_headers": {"excludes": ["*"]},
            "disable_store": True,
            "enable_custom_route_auth": True,
            "middleware_order": "auth_first",
            "mount_prefix": "/api",
        },
        webhooks={
            "env_prefix": "HOOK_",
            "headers": {"authorization": "Bearer ${{ env.HOOK_TOKEN }}"},
            "url": {"allowed_domains": ["*.example"], "allowed_ports": [443]},
        },
        store={
            "index": {"dims": 3, "embed": "./e.py:embed", "fields": ["text"]},
            "ttl": {"default_ttl": 10, "refresh_on_read": False, "sweep_interval_minutes": 5},
        },
        checkpointer={"ttl": {"strategy": "keep_latest", "default_ttl": 0.5, "sweep_limit": 10}},
        ui={"agent": "./ui.tsx"},
        waiting_thread="refuse",
        limits={"body_bytes": 1000, "requests_per_minute": 60, "run_seconds": 1.5},
    )
    assert settings.warnings == ()
    assert settings.auth is not None
    assert settings.auth.oidc is not None
    assert settings.auth.oidc.identity_claim == "sub"
    assert settings.http.cors is not None
    assert settings.http.cors.allow_origins == ("https://shop.example",)
    assert settings.webhooks.url.allowed_ports == (443,)
    assert settings.store.index is not None
    assert settings.store.index.dims == 3
    assert settings.checkpointer.ttl is not None
    assert settings.checkpointer.ttl.default_ttl == 0.5


def test_caesura_json_comes_before_langgraph_json(tmp_path: Path) -> None:
    assert find_config(tmp_path) is None
    (tmp_path / "langgraph.json").touch()
    assert find_config(tmp_path) == tmp_path / "langgraph.json"
    (tmp_path / "caesura.json").touch()
    assert find_config(tmp_path) == tmp_path / "caesura.json"


def test_only_local_dependencies_are_directories_to_import_from(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, dependencies=[".", "./lib", "httpx>=0.27", "/opt/shared"])
    assert settings.source_directories == (tmp_path, tmp_path / "lib", Path("/opt/shared"))
    assert settings.requirements == ("httpx>=0.27",)


def test_a_null_means_that_the_key_is_not_set(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, http=None, limits={"body_bytes": None}, auth=None)
    assert settings == settings_in(tmp_path)


# --- mistakes --------------------------------------------------------------------------------


def test_an_unknown_key_is_a_warning_that_names_its_path(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path,
        grpahs={},
        http={"cors": {"allow_origin": []}},
        graphs={"agent": {"path": "./a.py:graph", "descripton": "x"}},
    )
    assert sorted(w.where for w in settings.warnings) == [
        "graphs.agent.descripton",
        "grpahs",
        "http.cors.allow_origin",
    ]
    assert {w.severity for w in settings.warnings} == {"warning"}


@pytest.mark.parametrize(
    ("keys", "where", "message"),
    [
        ({"limits": {"body_bytes": "1"}}, "limits.body_bytes", "must be integer, not string"),
        ({"waiting_thread": "no"}, "waiting_thread", 'must be one of "withdraw", "refuse"'),
        ({"auth": {"oidc": {"issuer": "x"}}}, "auth.oidc.audience", "is required"),
        ({"graphs": {"a": 5}}, "graphs.a", "must be object, not integer"),
        ({"graphs": {"a": {"description": "x"}}}, "graphs.a.path", "is required"),
        ({"graphs": []}, "graphs", "must be object, not array"),
        ({"store": {"index": {"dims": 0, "embed": "x"}}}, "store.index.dims", "minimum of 1"),
        ({"dependencies": "."}, "dependencies", "must be array, not string"),
        ({"env": {"A": 1}}, "env.A", "must be string, not integer"),
        ({"http": {"cors": {"max_age": -1}}}, "http.cors.max_age", "minimum of 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_told_with_its_path_and_what_is_allowed(
    tmp_path: Path, keys: dict[str, Any], where: str, message: str
) -> None:
    error = refusal_of(tmp_path, **keys)
    assert [p[0] for p in told(error)] == [where]
    assert message in told(error)[0][1]
    assert str(tmp_path / "caesura.json") in str(error)


@pytest.mark.parametrize("spec", ["agent.py", "agent.py:", ":graph", "agent.py:a-b", ""])
def test_a_graph_without_a_path_or_a_name_is_refused(tmp_path: Path, spec: str) -> None:
    error = refusal_of(tmp_path, graphs={"agent": spec})
    assert [p[0] for p in told(error)] == ["graphs.agent"]
    assert "'path/to/file.py:variable'" in str(error)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    error = refusal_of(tmp_path, engine="langgraph", limits={"body_bytes": -1, "run_seconds": "x"})
    assert [p[0] for p in told(error)] == ["engine", "limits.body_bytes", "limits.run_seconds"]


def test_the_other_engine_is_refused_with_what_to_do(tmp_path: Path) -> None:
    error = refusal_of(tmp_path, engine="langgraph")
    assert "runs Caesura's engine" in str(error)
    assert "langgraph dev" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{\n  "graphs": {}\n,}', "line 3: is not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"graphs": {"a": "x.py:g", "a": "y.py:g"}}', "has the key 'a' twice"),
        (b'{"graphs": "\xff"}', "is not UTF-8"),
        (b'{"graphs":' + b"[" * 100_000, ""),
    ],
    ids=["trailing comma", "array", "repeated key", "not utf-8", "deep"],
)
def test_a_file_that_is_no_json_object_is_refused(
    tmp_path: Path, text: bytes, message: str
) -> None:
    file = tmp_path / "caesura.json"
    file.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        read_settings(file)
    assert message in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_settings(tmp_path / "caesura.json")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "caesura.json"
    file.write_text(json.dumps({"graphs": AGENT}), "utf-8-sig")
    assert list(read_settings(file).graphs) == ["agent"]


# --- the environment -------------------------------------------------------------------------


def test_the_env_file_is_read_as_dotenv_does() -> None:
    settings = read_settings(PROJECTS / "variables" / "langgraph.json")
    assert project_variables(settings) == {
        "CAESURA_TEST_MODEL": "from-the-file",
        "CAESURA_TEST_REGION": "eu west",
    }


def test_variables_that_are_set_win_over_the_projects() -> None:
    settings = read_settings(PROJECTS / "variables" / "langgraph.json")
    environ = {"CAESURA_TEST_MODEL": "from-the-shell"}
    apply_project_variables(settings, environ)
    assert environ == {
        "CAESURA_TEST_MODEL": "from-the-shell",
        "CAESURA_TEST_REGION": "eu west",
    }


def test_an_env_file_that_does_not_exist_sets_nothing(tmp_path: Path) -> None:
    assert project_variables(settings_in(tmp_path, env=".env")) == {}


def test_an_empty_environment_has_all_defaults() -> None:
    assert Environment.read({}) == Environment()


def test_the_environment_is_read_by_the_names_of_other_servers() -> None:
    environ = {
        "N_JOBS_PER_WORKER": "4",
        "BG_JOB_TIMEOUT_SECS": "60",
        "BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS": "0",
        "RESUMABLE_STREAM_TTL_SECONDS": "1.5",
        "MOUNT_PREFIX": "/api/",
        "LOG_LEVEL": "DEBUG",
        "LOG_JSON": "true",
        "DATABASE_URI": "sqlite:///state.db",
    }
    assert Environment.read(environ) == Environment(
        jobs_per_worker=4,
        run_seconds=60.0,
        shutdown_grace_seconds=0.0,
        stream_ttl_seconds=1.5,
        mount_prefix="/api",
        log_level="debug",
        log_json=True,
        database_uri="sqlite:///state.db",
    )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("N_JOBS_PER_WORKER", "0", "a whole number from 1 on"),
        ("N_JOBS_PER_WORKER", "2.5", "a whole number from 1 on"),
        ("BG_JOB_TIMEOUT_SECS", "an hour", "a number of seconds"),
        ("BG_JOB_TIMEOUT_SECS", "nan", "a number of seconds"),
        ("LOG_LEVEL", "loud", "one of debug, info"),
        ("LOG_JSON", "perhaps", "true or false"),
    ],
)
def test_a_variable_that_is_no_value_is_refused_with_what_is_allowed(
    name: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Environment.read({name: value})
    assert str(caught.value).startswith(f"environment: {name}: must be {allowed}")


# --- files that are watched ------------------------------------------------------------------


def test_python_files_config_and_env_are_watched() -> None:
    folder = PROJECTS / "variables"
    settings = read_settings(folder / "langgraph.json")
    names = ["agent.py", "langgraph.json", "variables.env"]
    assert watched_files(settings) == [folder / name for name in names]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("new.py", True),
        ("deep/inside/new.py", True),
        ("langgraph.json", True),
        ("notes.md", False),
        (".venv/lib/x.py", False),
        ("__pycache__/x.py", False),
        ("lib/site-packages/x.py", False),
        (".caesura/state.py", False),
    ],
)
def test_new_files_of_the_project_are_watched_and_tools_files_are_not(
    tmp_path: Path, file: str, expected: bool
) -> None:
    assert is_watched(settings_in(tmp_path), tmp_path / file) is expected


def test_local_dependencies_elsewhere_are_watched_too(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    settings = settings_in(tmp_path / "project", dependencies=[".", "./inside", "../shared"])
    assert watched_directories(settings) == (tmp_path / "project", tmp_path / "shared")
    assert is_watched(settings, tmp_path / "shared" / "x.py")


# --- the dockerfile --------------------------------------------------------------------------


def test_a_dockerfile_installs_before_it_copies_and_serves_all_addresses(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    lines = dockerfile(settings_in(tmp_path, dependencies=[".", "httpx>=0.27"])).splitlines()
    assert "FROM python:3.12-slim" in lines
    install = lines.index('RUN ["pip", "install", "caesura[server]", "httpx>=0.27"]')
    assert install < lines.index("COPY . .")
    assert 'RUN ["pip", "install", "--requirement", "./requirements.txt"]' in lines
    assert lines[-1] == 'CMD ["caesura", "serve", "--host", "0.0.0.0", "--port", "2024"]'
    assert "USER caesura" in lines


def test_a_dockerfile_follows_the_config(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path,
        base_image="registry.example/python:3",
        pip_config_file="pip.conf",
        dockerfile_lines=["RUN apt-get update"],
        python_version="3.13",
    )
    lines = dockerfile(settings, port=80).splitlines()
    assert "FROM registry.example/python:3" in lines
    assert 'COPY ["pip.conf", "/etc/pip.conf"]' in lines
    assert lines.index("RUN apt-get update") < lines.index("WORKDIR /project")
    assert "EXPOSE 80" in lines


def test_a_dockerfile_hands_no_word_of_the_config_to_a_shell(tmp_path: Path) -> None:
    text = dockerfile(settings_in(tmp_path, dependencies=["x; rm -rf / #"]))
    assert 'RUN ["pip", "install", "caesura[server]", "x; rm -rf / #"]' in text


def test_a_dependency_outside_the_project_cannot_be_put_into_an_image(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, dependencies=["../shared"])
    with pytest.raises(ValueError, match="lies outside"):
        dockerfile(settings)
