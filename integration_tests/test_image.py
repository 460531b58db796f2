"""The built image itself: what is in it, who it runs as, and that it needs nothing it may not have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox import OFF, Account, Server
from testing.docker import docker_run, run

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "/opt/amocrm/bin/python"

pytestmark = pytest.mark.image_tests


def in_python(image: str, code: str) -> Any:
    """What `code`, an expression over its own imports, is in the image's Python."""
    lines, expression = code.rsplit("\n", 1) if "\n" in code else ("", code)
    program = f"import json\n{lines}\nprint(json.dumps({expression}))"
    return json.loads(docker_run(image, "-c", program, options=("--entrypoint", PYTHON)))


def image_config(image: str) -> dict[str, Any]:
    """Docker's and buildah's descriptions of an image, brought to one form."""
    [described] = json.loads(
        f"[{run('docker', 'image', 'inspect', image).strip().removeprefix('[').removesuffix(']')}]"
    )
    config: dict[str, Any] = described.get("Config") or described["OCIv1"]["config"]
    if isinstance(config, str):
        config = described["OCIv1"]["config"]
    return config


def messages(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_says_what_it_is_and_how_to_run_it(image: str) -> None:
    config = image_config(image)
    version = re.search(r'\nversion = "([^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert version
    assert config["Labels"]["io.airbyte.name"] == "airbyte/source-amocrm"
    assert config["Labels"]["io.airbyte.version"] == version[1]
    assert config["Entrypoint"] == ["/opt/amocrm/bin/source-amocrm"]
    assert "AIRBYTE_ENTRYPOINT=/opt/amocrm/bin/source-amocrm" in config["Env"]
    assert config["User"] == "1000:1000"


def test_the_platform_may_run_it_through_a_shell(image: str) -> None:
    output = docker_run(image, "-c", "$AIRBYTE_ENTRYPOINT spec", options=("--entrypoint", "/bin/sh"))
    assert [message["type"] for message in messages(output)].count("SPEC") == 1


@pytest.mark.parametrize("user", ["1000:1000", "54321:0"])
def test_needs_no_right_and_no_name(image: str, user: str) -> None:
    output = docker_run(image, "spec", options=("--user", user))
    assert [message["type"] for message in messages(output)].count("SPEC") == 1


def test_holds_no_tool_and_no_test(image: str) -> None:
    found = in_python(
        image,
        "from importlib.util import find_spec\nimport shutil\n"
        "[name for name in ('pip', 'setuptools', 'pytest', 'sandbox', 'testing', 'unit_tests', 'integration_tests')"
        " if find_spec(name)]"
        " + [name for name in ('gcc', 'make', 'git') if shutil.which(name)]",
    )
    assert found == []


def test_holds_the_connector_and_none_of_the_packages_beside_it(image: str) -> None:
    ours = ("source_amocrm", "amocrm_warehouse", "amocrm_fleet", "amocrm_probe", "demo")
    theirs = ("dbt", "dagster", "duckdb", "pyarrow")
    found = in_python(
        image, f"from importlib.util import find_spec\n[name for name in {ours + theirs} if find_spec(name)]"
    )
    assert found == ["source_amocrm"]


def test_what_is_left_out_is_not_missed(image: str) -> None:
    left_out = re.findall(r"--prune (\S+)", (ROOT / ".ci" / "image-requirements").read_text())
    assert left_out
    present, modules = in_python(
        image,
        "import importlib, pkgutil, source_amocrm\nfrom importlib.metadata import distributions\n"
        "[[d.metadata['Name'].lower() for d in distributions()], [importlib.import_module(m.name).__name__ for m in "
        "pkgutil.walk_packages(source_amocrm.__path__, 'source_amocrm.') if not m.name.endswith('__main__')]]",
    )
    assert set(present) & set(left_out) == set()
    assert {"source_amocrm.run", "source_amocrm.source", "source_amocrm.streams"} <= set(modules)


def test_every_module_is_compiled(image: str) -> None:
    bare = in_python(
        image,
        "import pathlib, importlib.util, sysconfig\n"
        "[str(p) for root in ('/opt/amocrm/lib', sysconfig.get_path('stdlib') + '/json') "
        "for p in pathlib.Path(root).rglob('*.py') "
        "if not pathlib.Path(importlib.util.cache_from_source(str(p))).exists()]",
    )
    assert bare == []


def test_data_files_are_packaged(image: str) -> None:
    """Whatever stands in the package here that is no Python is in the image too."""
    ours = {
        str(path.relative_to(ROOT / "source_amocrm"))
        for path in (ROOT / "source_amocrm").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and ".ruff_cache" not in path.parts
    }
    theirs = in_python(
        image,
        "import pathlib, source_amocrm\nroot = pathlib.Path(source_amocrm.__file__).parent\n"
        "[str(p.relative_to(root)) for p in root.rglob('*') if p.is_file() and p.suffix not in ('.py', '.pyc')]",
    )
    assert set(theirs) == ours


@contextmanager
def root_of(image: str) -> Iterator[str]:
    container = run("buildah", "from", "--pull=never", image).strip()
    try:
        yield run("buildah", "mount", container).strip()
    finally:
        run("buildah", "rm", container)


def test_reads_in_a_read_only_container_from_any_path(image: str, tmp_path: Path) -> None:
    folder = tmp_path / "мои настройки"
    folder.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    with Server(Account.generate(leads=300), rate=OFF) as server:
        config = {**server.config(), "requests_per_second": 50}
        (folder / "a config.json").write_text(json.dumps(config), encoding="utf-8")
        discover = ["discover", "--config", "/настройки/a config.json"]
        [catalog] = [
            message["catalog"] for message in messages(read_only(image, folder, discover)) if "catalog" in message
        ]
        configured = [
            {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
            for stream in catalog["streams"]
        ]
        (folder / "catalog.json").write_text(json.dumps({"streams": configured}), encoding="utf-8")
        read = ["read", "--config", "/настройки/a config.json", "--catalog", "/настройки/catalog.json"]
        output = messages(read_only(image, folder, read))
    done = {
        message["trace"]["stream_status"]["stream_descriptor"]["name"]
        for message in output
        if message.get("trace", {}).get("stream_status", {}).get("status") == "COMPLETE"
    }
    assert done == {stream["name"] for stream in catalog["streams"]}
    assert sum(message["type"] == "RECORD" and message["record"]["stream"] == "deals" for message in output) >= 300


def read_only(image: str, folder: Path, arguments: list[str]) -> str:
    """The image with a root it cannot write to; buildah has no such option, bubblewrap does the same with its files."""
    if "buildah" not in run("docker", "--version"):
        return docker_run(image, *arguments, options=("--read-only", "-v", f"{folder}:/настройки:ro"))
    environment = dict(pair.split("=", 1) for pair in image_config(image)["Env"])
    variables = [item for name, value in environment.items() for item in ("--setenv", name, value)]
    with root_of(image) as root:
        # bubblewrap makes the mount point, so it must exist below a writable layer
        (Path(root) / "настройки").mkdir()
        return run(
            "bwrap", "--ro-bind", root, "/", "--dev", "/dev", "--proc", "/proc", "--ro-bind", folder, "/настройки",
            "--unshare-user", "--uid", "1000", "--gid", "1000", "--clearenv", *variables,
            environment["AIRBYTE_ENTRYPOINT"], *arguments,
        )  # fmt: skip
