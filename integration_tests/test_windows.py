"""What an analyst's computer runs, with all that Windows has not hidden from our modules. Not run on Windows itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from sandbox import OFF, Account, Server
from testing.leaks import clean
from testing.warehouse import PYTHON, ROOT

WITHOUT = """
import builtins, os, sys, types

MODULES = {"fcntl", "grp", "pwd", "resource", "termios"}
NAMES = {
    "fork", "getuid", "geteuid", "getpgid", "setsid", "killpg", "fchmod", "fchown", "O_DIRECTORY", "O_NOFOLLOW",
    "WNOHANG", "openpty",
}
real = builtins.__import__

class Windows(types.ModuleType):
    def __init__(self, module, **other):
        object.__setattr__(self, "_module", module)
        object.__setattr__(self, "_other", other)
    def __getattr__(self, name):
        if name in NAMES:
            raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
        return self._other.get(name) or getattr(self._module, name)
    def __setattr__(self, name, value):
        setattr(self._module, name, value)

shown = {"os": Windows(os), "sys": Windows(sys, platform="win32")}

def hidden(name, globals=None, locals=None, fromlist=(), level=0):
    ours = str((globals or {}).get("__name__", "")).startswith(("source_amocrm", "amocrm_"))
    if ours and name in MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return shown[name] if ours and name in shown else real(name, globals, locals, fromlist, level)

builtins.__import__ = hidden
from source_amocrm.run import run
run()
"""


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(PYTHON), "-c", WITHOUT, *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env={
            **os.environ, "PYTHONPATH": str(ROOT), "CI": "true", "DB": str(folder / "crm.duckdb"),
            "LOCALAPPDATA": str(folder / "AppData"), "SOURCE_AMOCRM_HOME": "",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return clean(done.stdout)


def test_check_sync_and_report_without_what_windows_has_not(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    with Server(Account.generate(leads=30), rate=OFF) as server:
        config.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
        assert "SUCCEEDED" in run(tmp_path, "check", "--config", str(config))
        assert "amocrm_1_deals" in run(tmp_path, "sync", "--config", str(config), "--project", "1")
    report = tmp_path / "report.html"
    assert run(tmp_path, "report", "--project", "1", "--out", str(report)) == f"\nThe report: {report}\n"
    assert report.stat().st_size > 100_000
    assert {path.name for path in (tmp_path / "AppData" / "source-amocrm").iterdir()} == {"dbt", "report"}


def test_connect_begins_without_what_windows_has_not(tmp_path: Path) -> None:
    assert "usage: source-amocrm connect" in run(tmp_path, "connect", "--help")
