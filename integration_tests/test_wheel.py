"""The wheel that is built from the sdist, installed with its extra into an empty environment, with no checkout near."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, closing
from email.parser import Parser
from importlib.metadata import Distribution
from pathlib import Path

import duckdb
import pytest

from amocrm_fleet.accounts_folder import add
from sandbox import OFF, Account, Server
from testing.leaks import clean
from testing.machine import Part
from testing.warehouse import ROOT

pytestmark = pytest.mark.at_length

UV = Path(sys.executable).with_name("uv")
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    checkout = folder / "build"
    for name in ("source_amocrm", "amocrm_warehouse", "amocrm_fleet", "amocrm_probe"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout / name)
    build = [str(UV), "build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir"]
    subprocess.run([*build, str(folder), str(checkout)], check=True)
    shutil.rmtree(checkout)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=PYTHONS)
def installed(request: pytest.FixtureRequest, wheel: Path) -> Path:
    """The folder of the environment's programs. The registry is asked for what the extra names, as for a user."""
    version = str(request.param)
    places = f"python{version}", f"/usr/bin/python{version}", f"~/.pyenv/versions/{version}.*/bin/python{version}"
    python = next((path for path, _ in Part("", "", places).found()), None)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    empty = wheel.parent / version
    subprocess.run([UV, "venv", "--quiet", "--python", python, empty], check=True)
    install = [str(UV), "pip", "install", "--quiet", "--python", str(empty / "bin" / "python")]
    subprocess.run([*install, f"{wheel}[warehouse]"], check=True, timeout=900)
    return empty / "bin"


def run(installed: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(installed / "source-amocrm"), *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "CI": "true", "SOURCE_AMOCRM_HOME": str(folder / "own")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return clean(done.stdout)


def test_the_wheel_says_what_it_is_and_for_whom(wheel: Path) -> None:
    [package] = Distribution.discover(path=[str(wheel)])
    said = Parser().parsestr(package.read_text("METADATA") or "")
    assert said["Name"] == "source-amocrm"
    assert said["Summary"] == (
        "Copies an amoCRM or Kommo account into your database, and answers questions from it; an Airbyte source"
    )
    assert said["Requires-Python"] == "<3.14,>=3.10"
    assert said["License-Expression"] == "MIT"
    assert said["Description-Content-Type"] == "text/markdown"
    assert str(said.get_payload()).strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    assert {url.split(", ")[0] for url in said.get_all("Project-URL", [])} == {"amoCRM API", "Kommo API"}
    assert set(said.get_all("Provides-Extra", [])) == {"warehouse", "mariadb", "clickhouse", "fleet", "mcp", "all"}
    assert "Typing :: Typed" in said.get_all("Classifier", [])


def test_sync_models_and_report(installed: Path, tmp_path: Path) -> None:
    """On the oldest Python by three commands, on the newest by one; between them it syncs only."""
    [site] = (installed.parent / "lib").glob("python*/site-packages")
    before = {path for path in site.rglob("*") if "__pycache__" not in path.parts}
    is_oldest, is_newest = (installed.parent.name == PYTHONS[place] for place in (0, -1))
    with Server(Account.generate(leads=30), rate=OFF) as server:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
        sync = ("sync", "--config", "config.json", "--to", "duckdb:///crm.duckdb", "--project", "1001")
        said = run(installed, tmp_path, *sync, *(["--report"] if is_newest else []))
    assert "amocrm_1001_deals" in said
    if is_oldest:
        built = run(installed, tmp_path, "models", "--to", "duckdb:///crm.duckdb")
        assert "models of the project 1001 are in duckdb:///crm.duckdb" in built
        said = run(installed, tmp_path, "report", "--built", "--to", "duckdb:///crm.duckdb")
    if is_oldest or is_newest:
        assert "\nThe report: " in said
        assert (tmp_path / "crm-report.html").stat().st_size > 100_000
        with closing(duckdb.connect(str(tmp_path / "crm.duckdb"), read_only=True)) as database:
            assert database.execute("SELECT count(*) FROM amocrm_marts.deals").fetchall()[0][0] >= 30
    after = {path for path in site.rglob("*") if "__pycache__" not in path.parts}
    assert after == before, "nothing is written beside the package"
    made = {path.name for path in tmp_path.iterdir()} - {"crm-report.html", "own"}
    assert made == {"config.json", "crm.duckdb"}


@pytest.mark.parametrize("installed", PYTHONS[-1:], indirect=True)
def test_a_fleet_of_three(installed: Path, tmp_path: Path) -> None:
    names = ("east", "north", "west")
    with ExitStack() as stack:
        for name in names:
            server = stack.enter_context(Server(Account.generate(leads=5), rate=OFF))
            add(tmp_path / "accounts", {**server.config(), "requests_per_second": 50}, name)
        said = run(installed, tmp_path, "fleet", "sync", "--to", "duckdb:///{name}.duckdb", "--streams", "deals,users")
    assert sorted(re.sub(r"\d+ rows in [\d.]+ s", "read", line) for line in said.splitlines()) == [
        "", "3 of 3 accounts are up to date.", *(f"{name}: read." for name in names),
    ]  # fmt: skip
    for name in names:
        with closing(duckdb.connect(str(tmp_path / f"{name}.duckdb"), read_only=True)) as database:
            assert database.execute(f"SELECT count(*) FROM amocrm.amocrm_{name}_users").fetchall() == [(7,)]
    assert run(installed, tmp_path, "fleet", "status").count(" synced ") == 3


def test_a_verb_without_its_extra_names_it(installed: Path, wheel: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['duckdb'] = sys.modules['rich'] = None; sys.argv[1:] = ['sync', '--config', 'none'];"
        "from source_amocrm.run import run; run()"
    )
    done = subprocess.run(
        [str(installed / "python"), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    command = f"pip install 'source-amocrm[warehouse] @ {wheel.as_uri()}'"
    assert done.stderr == f"`sync` needs more than the connector: {command}\n"
