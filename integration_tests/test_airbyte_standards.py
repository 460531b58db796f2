"""The CDK's standard tests, in process and, with `-m image_tests`, against the built image; `read` of all streams."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from sandbox import OFF, Account, Server
from source_amocrm.source import SourceAmocrm

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "integration_tests" / ".sandbox"  # as acceptance-test-config.yml names them


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[Server]:
    """A sandbox account, and the configs that lead to it."""
    with Server(Account.generate(leads=300), rate=OFF) as server:
        CONFIGS.mkdir(exist_ok=True)
        fast = {"requests_per_second": 50}
        wrong = {"auth_type": "long_lived_token", "access_token": "not-a-token-of-this-account"}
        for name, config in {
            "config": {**server.config(), **fast},
            "oauth_config": {**server.config(oauth=True), **fast},
            "invalid_config": {**server.config(), "credentials": wrong},
        }.items():
            (CONFIGS / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
        yield server


@pytest.fixture(autouse=True)
def host_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Containers see this machine's loopback, where the sandbox listens: the CDK's tests do not ask for it."""
    docker = shutil.which("docker")
    if docker:
        wrapper = tmp_path / "docker"
        wrapper.write_text(
            f'#!/bin/sh\nif [ "$1" = run ]; then shift; set -- run --network host "$@"; fi\nexec {docker} "$@"\n'
        )
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def read_from_streams() -> str:
    return "all"


@pytest.fixture
def read_scenarios() -> str:
    return "all"


class TestSuite(SourceTestSuiteBase):
    connector = SourceAmocrm
    connector_name = "source-amocrm"

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        return ROOT

    # Compares with what Airbyte's registry has published under this name, and nothing is.
    test_docker_image_spec_backward_compatibility: Any = None
