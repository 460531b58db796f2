"""Finds the programs that some tests need beside Python: a browser, PostgreSQL. A pytest plugin.

If such a program is missing, its tests are skipped, and the run ends with one line that says what was not tested and
what to install. With CI=true the tests fail instead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import NoReturn

import pytest

NOT_TESTED = "Not tested: "


@dataclass(frozen=True)
class Part:
    """A program of the machine.

    `tests`: what is not tested without it. `get`: what to install. `places`: its names on PATH and patterns of its
    file, in the order in which they are tried.
    """

    tests: str
    get: str
    places: tuple[str, ...]

    def found(self) -> Iterator[tuple[Path, int]]:
        """Yields each program that runs, with its major version."""
        for path in (path for pattern in self.places for path in _candidates(pattern)):
            if (version := _version(path)) is not None:
                yield path, version

    def need(self) -> Path:
        """Returns the program. If there is none, skips the test, or fails it in CI."""
        return next((path for path, _ in self.found()), None) or self.missing()

    def missing(self) -> NoReturn:
        reason = f"{NOT_TESTED}{self.tests}, without {self.get}"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}. As root on Debian, .ci/system-packages installs it.", pytrace=False)
        pytest.skip(reason)


def _candidates(pattern: str) -> Iterator[Path]:
    """Yields the files that a name or pattern matches, the newest version first."""
    if "/" not in pattern:
        found = [shutil.which(pattern) or ""]
    else:
        found = sorted(glob(os.path.expanduser(pattern)), key=_numbers, reverse=True)
    return (Path(path) for path in found if path)


def _numbers(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


def _version(path: Path) -> int | None:
    """Returns the program's major version, or None if it does not run: a name on PATH may be a broken shim."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    number = re.search(r"\d+", done.stdout)
    return int(number[0]) if done.returncode == 0 and number else None


BROWSER = Part(
    tests="the page of `source-amocrm connect` and the report",
    get="Chrome or Chromium and the chromedriver of its version",
    places=(
        "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
        "/opt/google/chrome/chrome",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "~/Applications/Chromium.app/Contents/MacOS/Chromium",
    ),
)  # fmt: skip
DRIVER = Part(
    tests=BROWSER.tests,
    get=BROWSER.get,
    places=(
        "chromedriver", "/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver",
        "/opt/homebrew/bin/chromedriver", "/usr/local/bin/chromedriver",
    ),
)  # fmt: skip
POSTGRES = Part(
    tests="the tables in PostgreSQL",
    get="PostgreSQL's server programs (initdb)",
    places=(
        "initdb", "/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb",
        "/opt/homebrew/opt/postgresql*/bin/initdb", "/usr/local/opt/postgresql*/bin/initdb",
        "/Applications/Postgres.app/Contents/Versions/*/bin/initdb",
    ),
)  # fmt: skip
MARIADB = Part(
    tests="publish into MariaDB",
    get="MariaDB's server programs (mariadbd, mariadb-install-db)",
    places=("mariadbd", "/usr/sbin/mariadbd", "/opt/homebrew/bin/mariadbd", "/usr/local/bin/mariadbd"),
)
JAVA = Part(
    tests="Spark on a lake of publish",
    get="Java 17 (java)",
    places=("java", "/usr/lib/jvm/*/bin/java", "/opt/homebrew/opt/openjdk*/bin/java"),
)

APART = Path(__file__).resolve().parents[1] / ".venv-apart"
PLATFORMS = APART.with_name(".venv-platforms")
"""The environment with Airflow and Spark."""


def pyairbyte() -> Path:
    """Returns the environment that has PyAirbyte. Skips the test if Python 3.13, which PyAirbyte lacks, made it."""
    if not next(APART.glob("lib/python3.*/site-packages/airbyte"), None):
        pytest.skip(f"{NOT_TESTED}PyAirbyte, without Python 3.10, 3.11 or 3.12")
    return APART


def browser(browsers: Part = BROWSER, drivers: Part = DRIVER) -> tuple[Path, Path]:
    """Returns a browser and a driver of its version. If there are none, skips or fails the test as `need` does."""
    of_version = {version: path for path, version in reversed([*drivers.found()])}
    pairs = ((path, of_version[version]) for path, version in browsers.found() if version in of_version)
    return next(pairs, None) or browsers.missing()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Writes the line below pytest's own report."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # in a worker of xdist
        return
    skipped = (report.longrepr for report in reporter.stats.get("skipped", ()))
    reasons = {position[2].partition(NOT_TESTED)[2] for position in skipped if isinstance(position, tuple)} - {""}
    if reasons:
        advice = "Install that and run `make test` again; as root on Debian it does so itself."
        reporter.write_line(f"{NOT_TESTED}{'; '.join(sorted(reasons))}. {advice}")
