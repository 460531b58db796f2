"""Fixtures of several modules of the integration tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from testing import postgres

if TYPE_CHECKING:
    from selenium import webdriver

OWN_FOLDER = TemporaryDirectory(prefix="amocrm-tests-")
os.environ["SOURCE_AMOCRM_HOME"] = OWN_FOLDER.name


@pytest.fixture(scope="session", autouse=True)
def _manifests_of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What one worker has parsed for dbt serves the others: it takes a third of a small build."""
    folder = tmp_path_factory.getbasetemp()
    shared = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "manifests"
    shared.mkdir(exist_ok=True)
    (Path(OWN_FOLDER.name) / "dbt").symlink_to(shared)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A browser that reaches only this computer. On a machine without one, the test is skipped and the run says so."""
    from testing.connect_page import chromium  # loads selenium only for tests that need it

    driver = chromium()
    yield driver
    driver.quit()


@pytest.fixture
def image(connector_image_override: str | None) -> str:
    assert connector_image_override, (
        "Which image? `make image-test` gives it: --connector-image airbyte/source-amocrm:dev"
    )
    return connector_image_override


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database; a module's tests run once with each kind."""
    if request.param == "duckdb":
        yield str(tmp_path_factory.mktemp("duckdb") / "crm.duckdb")
        return
    with postgres.server() as url:
        yield url


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A DuckDB file with the small marts of the projects 1001 and 1002, to publish from."""
    from testing import small_marts  # loads duckdb and psycopg only for tests that need them

    database = str(tmp_path / "crm.duckdb")
    small_marts.build(database, ["1001", "1002"])
    return database
