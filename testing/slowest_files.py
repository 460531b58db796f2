"""Begins a run of the tests with the longest files, and ends it with what its slowest files cost. A pytest plugin."""

from __future__ import annotations

from collections import defaultdict

import pytest

SLOWEST = 10
LONGEST = ("test_year_begins.py", "test_year_ends.py", "test_report.py")
"""The files that take two to ten minutes. Begun last, they would end alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes what the ten slowest files cost, their fixtures included (seconds, one process after the other)."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if isinstance(report, pytest.TestReport):
            seconds[report.location[0]] += report.duration
    if len(seconds) > SLOWEST:
        terminalreporter.section("slowest files")
        for name, spent in sorted(seconds.items(), key=lambda one: -one[1])[:SLOWEST]:
            terminalreporter.write_line(f"{spent:7.1f} s  {name}")
