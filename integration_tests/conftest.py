"""What several modules of the integration tests ask for by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium import webdriver

OWN_FOLDER = TemporaryDirectory(prefix="amocrm-tests-")
os.environ["SOURCE_AMOCRM_HOME"] = OWN_FOLDER.name


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A browser that reaches this computer alone; without one the test is skipped, and the run says so at its end."""
    from .connect_page import chromium  # selenium is loaded where it is needed

    driver = chromium()
    yield driver
    driver.quit()
