"""Marks the tests that are known to fail, each with the reason in known_failures.yaml. A pytest plugin."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

REASONS: dict[str, str] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")) or {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expects a test to fail if its node id begins with a line of the file; one that passes is reported as such."""
    for item in items:
        for begin, reason in REASONS.items():
            if item.nodeid.startswith(begin):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=False))
