"""A run of many files ends with what the slowest of them cost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
    import pytest

    @pytest.fixture(params=[0, 0.05] if {number} == 7 else [0])
    def thing(request):
        __import__("time").sleep(request.param)

    def test_it(thing): pass
"""


@pytest.mark.parametrize(("files", "shown"), [(10, 0), (11, 10)])
def test_the_ten_slowest_files_are_shown(
    files: int, shown: int, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    pytester.makepyfile(**{f"test_{number}": TESTS.format(number=number) for number in range(files)})
    done = pytester.runpytest_subprocess("-p", "testing.slowest_files", "-q")
    lines = [line for line in done.outlines if re.fullmatch(r" +\d+\.\d s  test_\d+\.py", line)]
    assert done.parseoutcomes() == {"passed": files + 1}
    assert len(lines) == shown
    assert lines == sorted(lines, reverse=True, key=lambda line: float(line.split()[0]))
