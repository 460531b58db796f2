"""The wheel, installed with its extra into an empty environment, with no checkout near: sync, models, report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from .leaks import clean
from .sandbox import OFF, Account, Server
from .warehouse import ROOT

UV = ROOT / ".venv-tools" / "bin" / "uv"


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the environment's programs. The registry is asked for what the extra names, as a user would."""
    python = shutil.which(f"python{request.param}")
    if python is None or subprocess.run([python, "-c", "import venv"], check=False, capture_output=True).returncode:
        pytest.skip(f"no Python {request.param} on this machine")
    folder = tmp_path_factory.mktemp("wheel")
    checkout = folder / "build"
    names = ("source_amocrm", "amocrm_warehouse", "amocrm_fleet", "amocrm_probe")
    for name in names:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "home"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*build, str(checkout)], check=True)
    shutil.rmtree(checkout)
    [wheel] = folder.glob("*.whl")
    subprocess.run([python, "-m", "venv", str(folder / "empty")], check=True)
    programs = folder / "empty" / "bin"
    pip = (
        [str(UV), "pip", "install", "--python", str(programs / "python")]
        if UV.exists()
        else [programs / "pip", "install"]
    )
    subprocess.run([*map(str, pip), "--quiet", f"{wheel}[warehouse]"], check=True, timeout=900)
    return programs


def test_sync_models_and_report(installed: Path, tmp_path: Path) -> None:
    [site] = (installed.parent / "lib").glob("python*/site-packages")
    before = {path for path in site.rglob("*") if "__pycache__" not in path.parts}
    home = tmp_path / "own"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(installed / "source-amocrm"), *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CI": "true", "SOURCE_AMOCRM_HOME": str(home)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return clean(done.stdout)

    with Server(Account.generate(leads=30), rate=OFF) as server:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
        said = run("sync", "--config", "config.json", "--to", "duckdb:///crm.duckdb", "--project", "1001")
    assert "amocrm_1001_deals" in said
    assert "models of the projects 1001 are in duckdb:///crm.duckdb" in run("models", "--to", "duckdb:///crm.duckdb")
    assert run("report", "--to", "duckdb:///crm.duckdb").startswith("\nThe report: ")
    assert (tmp_path / "crm-report.html").stat().st_size > 100_000
    with closing(duckdb.connect(str(tmp_path / "crm.duckdb"), read_only=True)) as database:
        assert database.execute("SELECT count(*) FROM amocrm_marts.deals").fetchall()[0][0] >= 30
    after = {path for path in site.rglob("*") if "__pycache__" not in path.parts}
    assert after == before, "nothing is written beside the package"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "crm-report.html", "crm.duckdb", "own"]


def test_a_verb_without_its_extra_names_it(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['dlt'] = sys.modules['filelock'] = None; sys.argv[1:] = ['sync', '--config', 'none'];"
        "from source_amocrm.run import run; run()"
    )
    done = subprocess.run(
        [str(installed / "python"), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "`sync` needs more than the connector: pip install 'source-amocrm[warehouse]'\n"
