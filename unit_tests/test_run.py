"""The command that installs an extra; imports without a search for garbage or documentation."""

from __future__ import annotations

import gc
import importlib.metadata
import json
import subprocess
import sys
from typing import Any

import pytest

from source_amocrm.run import importing, install_command


class _Installed:
    def __init__(self, origin: dict[str, Any] | None) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return json.dumps(self._origin) if self._origin else None


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'source-amocrm[mcp]'"),
        (
            {"url": "file:///home/me/amo%20crm", "dir_info": {"editable": True}},
            "pip install 'source-amocrm[mcp] @ file:///home/me/amo%20crm'",
        ),
        (
            {"url": "https://example.com/amo.git", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "pip install 'source-amocrm[mcp] @ git+https://example.com/amo.git'",
        ),
    ],
    ids=["from a registry", "from a clone", "from a repository"],
)
def test_an_extra_is_installed_from_where_the_package_came(
    origin: dict[str, Any] | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Installed(origin))
    assert install_command("mcp") == command


def test_modules_are_imported_without_a_search_for_garbage() -> None:
    before = gc.get_freeze_count()
    try:
        with importing():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before, "no later search goes through the modules either"
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("spared", "code"), [("", 1), ("run.spare_documentation(); ", 0)], ids=["the CDK alone", "ours"]
)
def test_no_source_is_read_for_documentation(spared: str, code: int) -> None:
    looks = "import inspect, sys; inspect.getsource = lambda _: sys.exit(1); from source_amocrm import run; "
    done = subprocess.run([sys.executable, "-c", f"{looks}{spared}import airbyte_cdk.models"], check=False)
    assert done.returncode == code
