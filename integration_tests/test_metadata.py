"""metadata.yaml, the docs and the package say one and the same thing, in the forms Airbyte reads."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import requires, version
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
import yaml

from source_amocrm.streams import STREAMS

ROOT = Path(__file__).resolve().parents[1]
UV = str(Path(sys.executable).parent / "uv")
METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))
DATA: dict[str, Any] = METADATA["data"]
DOCS = (ROOT / "docs" / "amocrm.md").read_text(encoding="utf-8")
SPEC: dict[str, Any] = yaml.safe_load((ROOT / "source_amocrm" / "spec.yaml").read_text(encoding="utf-8"))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="airbyte-connector-models does not install on Python 3.13")
def test_airbytes_own_model_accepts_it() -> None:
    from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import ConnectorMetadataDefinitionV0

    ConnectorMetadataDefinitionV0.model_validate(METADATA)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="airbyte-connector-models does not install on Python 3.13")
def test_airbytes_own_schema_accepts_it() -> None:
    from airbyte_connector_models.metadata import v0
    from jsonschema import Draft7Validator, FormatChecker

    path = Path(next(iter(v0.__path__))) / "ConnectorMetadataDefinitionV0.json"
    # ids within ids lead its references astray
    schema = _without_ids(json.loads(path.read_text(encoding="utf-8")))
    errors = [error.message for error in Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(METADATA)]
    assert errors == []


def _without_ids(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_ids(value) for key, value in schema.items() if key != "$id"}
    return [_without_ids(item) for item in schema] if isinstance(schema, list) else schema


def test_one_version_everywhere() -> None:
    ours = DATA["dockerImageTag"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.fullmatch(r"\d+\.\d+\.\d+", ours)
    assert version("source-amocrm") == ours
    assert f'name = "source-amocrm"\nversion = "{ours}"\n' in (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert re.findall(r'(?:io\.airbyte|image)\.version="([^"]+)"', dockerfile) == [ours, ours]
    assert re.findall(r"^\| (\d+\.\d+\.\d+) +\|", DOCS, re.MULTILINE)[0] == ours


def test_a_major_release_would_have_to_name_its_breaking_changes() -> None:
    major = DATA["dockerImageTag"].endswith(".0.0")
    assert not major or DATA["dockerImageTag"] in DATA["releases"]["breakingChanges"]


def test_what_airbytes_checks_ask_beyond_the_schema() -> None:
    assert UUID(DATA["definitionId"]).version == 4
    assert {"language:python", "cdk:python"} <= set(DATA["tags"])
    assert all(re.fullmatch(r"[a-z]+:[a-z0-9-]+", tag) for tag in DATA["tags"])
    assert all(link["url"].startswith("https://") for link in DATA["externalDocumentationUrls"])
    assert DATA["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert DATA["documentationUrl"] == SPEC["documentationUrl"]
    required = [
        SPEC["connectionSpecification"]["properties"][name] for name in SPEC["connectionSpecification"]["required"]
    ]
    prerequisites = DOCS.partition("## Prerequisites")[2].partition("\n## ")[0].lower()
    assert all(field["title"].lower() in prerequisites for field in required if "oneOf" not in field)
    assert "The amoCRM source connector supports the following [sync modes](" in DOCS
    assert [name for name in ("http://", "TODO") if name in DOCS.replace("http://127.0.0.1", "")] == []


def test_what_would_move_to_airbyte_s_repository_has_no_plain_http() -> None:
    """As Airbyte's check looks for it: in every line but comments, of every file but tests and SVG."""
    comments = {".py": "#", ".yml": "#", ".yaml": "#", ".md": "<!--"}
    moved = [ROOT / name for name in ("metadata.yaml", "README.md", "LICENSE", "acceptance-test-config.yml")]
    moved += [path for path in (ROOT / "source_amocrm").rglob("*") if path.suffix not in (".svg", ".pyc")]
    found = []
    for path in (path for path in moved if path.is_file()):
        for line in path.read_text(encoding="utf-8").splitlines():
            bare = line.replace("http://json-schema.org", "").replace("http://localhost", "")
            comment = line.lstrip().startswith(comments.get(path.suffix, "\0"))
            if "http://" in bare and "# ignore-https-check" not in line and not comment:
                found.append(f"{path.name}: {line.strip()}")
    assert found == []


def test_the_page_for_contributors_says_what_is_still_to_change() -> None:
    page = (ROOT / "docs" / "guides" / "airbyte-registry.md").read_text(encoding="utf-8")
    change = page.partition("## To change")[2].partition("## Done already")[0]
    assert not (ROOT / "poetry.lock").exists()
    assert "connectorBuildOptions" not in DATA
    assert DATA["remoteRegistries"]["pypi"]["enabled"] is False
    assert not any("testSecrets" in suite for suite in DATA["connectorTestSuitesOptions"])
    for name in ("setup.py", "Dockerfile", "uv.lock", "docs/amocrm.md", ".ci/image-requirements"):
        assert (ROOT / name).exists()
        assert f"`{name}`" in change
    for setting in (
        "connectorBuildOptions.baseImage",
        "remoteRegistries.pypi.enabled",
        "testSecrets",
        "documentationUrl",
    ):
        assert setting in change
    assert f"`{DATA['remoteRegistries']['pypi']['packageName']}`" in change
    assert re.findall(r"^\| [\d.]+ \| [\d-]+ \| – \|", DOCS, re.MULTILINE)


def test_hosts_are_those_that_may_be_given_a_secret() -> None:
    from source_amocrm.config.trusted_hosts import SUFFIXES

    assert DATA["allowedHosts"]["hosts"] == [f"*{suffix}" for suffix in SUFFIXES]


def test_suggested_streams_exist() -> None:
    assert set(DATA["suggestedStreams"]["streams"]) <= set(STREAMS)


def test_icon_is_a_small_square() -> None:
    path = ROOT / DATA["icon"]
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("width") == root.get("height") == "250"
    assert path.stat().st_size < 4_096


def test_docs_have_the_headings_of_a_connectors_page() -> None:
    headings = re.findall(r"^#+ .*$", DOCS, re.MULTILINE)
    wanted = [
        "# amoCRM",
        "## Prerequisites",
        "## Setup guide",
        "### Set up amoCRM",
        "### Set up the amoCRM connector in Airbyte",
        "#### For Airbyte Cloud:",
        "#### For Airbyte Open Source:",
        "## Supported sync modes",
        "## Supported Streams",
        "## Performance considerations",
        "## Data type map",
        "## Limitations & Troubleshooting",
        "## Changelog",
    ]
    assert [heading for heading in headings if heading in wanted] == wanted


def test_generated_docs_are_in_step_with_the_streams() -> None:
    pages: dict[Path, str] = _script(ROOT / "docs" / "dictionary.py").pages()
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "`make docs` writes them again"
    assert all(f"[`{name}`]" in text for text in list(pages.values())[1:] for name in STREAMS)


def _script(path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_locks_hold_every_dependency_by_hash() -> None:
    required = requires("source-amocrm") or []
    everything = {re.split(r"[<>=!~;\[ ]", one)[0] for one in required} - {"source-amocrm"}
    connector = {re.split(r"[<>=!~;\[ ]", one)[0] for one in required if "extra ==" not in one}
    image = [ROOT / ".ci" / "image-requirements"]
    dev = [UV, "export", "--quiet", "--frozen", "--no-emit-project", "--no-annotate", "--no-header"]
    for command, wanted in (image, connector), (dev, everything):
        lock = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "UV": UV}, check=True, capture_output=True, text=True
        )
        pinned = re.findall(r"^([a-z0-9-]+)==.*?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", lock.stdout, re.MULTILINE)
        assert wanted <= {package for package, _ in pinned}
        assert len(pinned) == len(re.findall(r"^[a-z0-9-]+(?:\[[a-z,]+\])?==", lock.stdout, re.MULTILINE))


def test_dockerfile_is_clean_for_hadolint() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
