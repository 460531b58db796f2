"""Starts Apache Superset for a test, with its own SQLite database, and asks it by its API."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from .ports import free_port
from .warehouse import ROOT

PROGRAMS = ROOT / ".venv-superset" / "bin"
USER, PASSWORD = "admin", "of-the-tests-0"
CONFIG = """
SECRET_KEY = "of the tests alone, forty-two characters and more"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
DATA_CACHE_CONFIG = {{"CACHE_TYPE": "NullCache"}}
"""
SETUP = """
from superset.app import create_app
app = create_app()
with app.app_context():
    from flask_migrate import upgrade
    from superset import db, security_manager
    upgrade()
    from superset.extensions import appbuilder
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    role = security_manager.find_role("Admin")
    security_manager.add_user({user!r}, "A", "B", "a@example.com", role, password={password!r})
    db.session.commit()
"""


class Superset:
    """A running server. `address`: http://127.0.0.1:port. `config`: the file of its settings."""

    def __init__(self, address: str, config: Path) -> None:
        self.address = address
        self.config = config
        self._session = requests.Session()

    def sign_in(self, user: str = USER, password: str = PASSWORD) -> Superset:
        """Returns a client of this user."""
        other = Superset(self.address, self.config)
        given = {"username": user, "password": password, "provider": "db"}
        token = other._session.post(f"{self.address}/api/v1/security/login", json=given, timeout=120).json()
        other._session.headers["Authorization"] = f"Bearer {token['access_token']}"
        return other

    def ask(self, method: str, path: str, **given: Any) -> Any:
        answer = self._session.request(method, f"{self.address}/api/v1/{path}", timeout=300, **given)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text[:3000]}"
        return answer.json()

    def listed(self, kind: str) -> dict[str, Any]:
        """Returns what there is of a kind (chart, dashboard, dataset, database), by its title."""
        [title] = {"chart": ["uuid"], "dashboard": ["dashboard_title"], "dataset": ["table_name"],
                   "database": ["database_name"]}[kind]  # fmt: skip
        rows = self.ask("GET", f"{kind}/", params={"q": "(page_size:1000)"})["result"]
        assert len({row[title] for row in rows}) == len(rows), f"a {kind} is there twice"
        return {row[title]: row for row in rows}

    def bring(self, path: Path, password: str) -> None:
        """Imports a bundle as the page of dashboards does."""
        given = {"passwords": json.dumps({"databases/amocrm.yaml": password}), "overwrite": "true"}
        with path.open("rb") as file:
            self.ask("POST", "dashboard/import/", files={"formData": (path.name, file, "application/zip")}, data=given)

    def rows(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the rows of a chart's query context."""
        answer = self.ask("POST", "chart/data", json=query)["result"]
        return [row for one in answer for row in one["data"]]


@contextmanager
def running(folder: Path) -> Iterator[Superset]:
    """Sets up a new Superset in a folder and runs it."""
    config = folder / "superset_config.py"
    config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    environment = {**os.environ, "SUPERSET_CONFIG_PATH": str(config), "FLASK_APP": "superset.app:create_app()"}
    python = str(PROGRAMS / "python")
    done = subprocess.run(
        [python, "-c", SETUP.format(user=USER, password=PASSWORD)], cwd=folder, env=environment, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    port = free_port()
    command = [python, "-m", "flask", "run", "--port", str(port), "--with-threads"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        served = Superset(f"http://127.0.0.1:{port}", config)
        deadline = time.monotonic() + 300
        while not _answers(served.address) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.3)
        assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")[-3000:]
        yield served.sign_in()
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.RequestException:
        return False
