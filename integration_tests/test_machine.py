"""What the tests need of the machine is found where it may be, installed on Debian, and told where it is missing."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from testing.machine import BROWSER, DRIVER, POSTGRES, Part, browser

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
    from dataclasses import replace
    import pytest
    from testing import machine

    hidden = replace(machine.POSTGRES, places=("no-such-program", "/no/such/*/program"))

    @pytest.fixture(scope="module", params=["duckdb", "postgres"])
    def database(request):
        if request.param == "postgres":
            hidden.need()

    def test_tables(database): pass
    def test_page(): machine.browser(browsers=replace(machine.BROWSER, places=()))
    def test_driver(): machine.browser(drivers=replace(machine.DRIVER, places=()))
    @pytest.mark.skip(reason="of another reason")
    def test_other(): pass
"""


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: bool, *options: str) -> pytest.RunResult:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CI", str(ci).lower())
    pytester.makepyfile(TESTS)
    return pytester.runpytest_subprocess("-p", "testing.machine", "-q", "-ra", *options)


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["here", "in a worker"])
def test_what_is_missing_is_skipped_and_told_in_the_last_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    done = run(pytester, monkeypatch, False, *options)
    assert done.parseoutcomes() == {"passed": 1, "skipped": 4}
    assert done.ret == 0
    assert [line for line in done.outlines if line][-1] == (
        "Not tested: the page of `source-amocrm connect` and the report, "
        "without Chrome or Chromium and the chromedriver of its version; "
        "the tables in PostgreSQL, without PostgreSQL's server programs (initdb). "
        "Install that and run `make test` again; as root on Debian it does so itself."
    )


def test_in_ci_it_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(pytester, monkeypatch, True)
    assert done.parseoutcomes() == {"passed": 1, "failed": 2, "errors": 1, "skipped": 1}
    assert done.ret == 1
    assert "Install that" not in done.stdout.str()
    done.stdout.fnmatch_lines(["*Not tested: the tables in PostgreSQL, without PostgreSQL's server programs (initdb)."
                               " As root on Debian, .ci/system-packages installs it."])  # fmt: skip


def test_where_nothing_is_missing_nothing_is_told(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(pytester, monkeypatch, False, "-k", "other or duckdb")
    assert done.parseoutcomes() == {"passed": 1, "skipped": 1, "deselected": 3}
    assert "Not tested" not in done.stdout.str()


def program(path: Path, text: str = "echo version 17.2") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_program_is_looked_for_on_path_and_in_its_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    part = Part("it", "it", ("first", "second", "~/lib/*/tool", "~/Apps/The App.app/The App"))
    assert list(part.found()) == []
    bundle = program(tmp_path / "Apps" / "The App.app" / "The App")
    assert part.need() == bundle
    older = program(tmp_path / "lib" / "9" / "tool", "echo tool 9.6")
    newest = program(tmp_path / "lib" / "17" / "tool")
    named = program(tmp_path / "bin" / "second")
    program(tmp_path / "bin" / "first", "echo 1: a shim that leads nowhere; exit 127")
    assert list(part.found()) == [(named, 17), (newest, 17), (older, 9), (bundle, 17)]


def test_a_browser_is_driven_by_the_driver_of_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "chromium", "echo Chromium 140.0.7339.80 built on Debian")
    chrome = program(tmp_path / "google-chrome", "echo Google Chrome 141.0.7390.54")
    driver = program(tmp_path / "chromedriver", "echo ChromeDriver 141.0.7390.37")
    program(tmp_path / "old", "echo ChromeDriver 139.0.1")
    browsers = Part("it", "it", ("chromium", "google-chrome"))
    assert browser(browsers, Part("it", "it", ("old", "chromedriver"))) == (chrome, driver)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception):
        browser(browsers, Part("it", "it", ("old",)))


def test_the_places_are_those_of_linux_and_of_macos() -> None:
    for part in (BROWSER, DRIVER, POSTGRES):
        assert any("/" not in place for place in part.places)
        assert any(place.startswith(("/Applications/", "/opt/homebrew/")) for place in part.places)


def installed(folder: Path, use: str, **environment: str) -> set[str]:
    """The packages that .ci/system-packages installs on a Debian whose PATH has none of the programs."""
    log = folder / "apt-get.log"
    program(folder / "bin" / "apt-get", f'echo "$@" >>{log}')
    program(folder / "bin" / "id", f"echo {environment.pop('UID_', '0')}")
    program(folder / "bin" / "grep")  # says of /etc/os-release that it is Debian's
    done = subprocess.run(
        ["/bin/bash", ROOT / ".ci" / "system-packages", use],
        env={"PATH": str(folder / "bin"), **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    calls = log.read_text().splitlines() if log.exists() else []
    return {word for call in calls if call.startswith("install ") for word in call.split()[1:] if word[0] != "-"}


def test_debian_s_root_gets_the_packages_that_it_lacks(tmp_path: Path) -> None:
    assert installed(tmp_path, "tests") >= {"chromium", "chromium-driver"}
    assert installed(tmp_path, "image") >= {"buildah", "mmdebstrap", "bubblewrap", "jq"}


def test_what_is_there_is_not_installed_again(tmp_path: Path) -> None:
    for name in ("chromium", "chromedriver"):
        program(tmp_path / "bin" / name)
    assert installed(tmp_path, "tests") & {"chromium", "chromium-driver"} == set()


def test_others_keep_their_machine_as_it_is(tmp_path: Path) -> None:
    assert installed(tmp_path, "tests", UID_="1000") == set()
    assert installed(tmp_path, "tests", SYSTEM_PACKAGES="no") == set()


def test_make_and_ci_ask_one_script() -> None:
    makefile, ci = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", ".ci/run"))
    assert "apt-get install" not in re.sub(r"echo .*", "", makefile) + ci
    assert re.search(r"^unit: system-packages ", makefile, re.MULTILINE)
    assert ".ci/system-packages tests" in makefile
    assert ".ci/system-packages image" in ci
    assert os.access(ROOT / ".ci" / "system-packages", os.X_OK)
