"""The public Airbyte connectors for amoCRM that `make peers` compares with, as data, and how their code is fetched.

Their code is not in this repository: `make peers` fetches the named commit, installs the connector's requirements into
an environment of its own, and runs the connector's own program. The Makefile's `CONNECTORS` says where repositories
OWNER/NAME are: https://github.com, or a folder with copies of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / ".venv-apart" / "connectors"
READERS = HERE / "peer_readers.py"
EVER = "2000-01-01", "2099-12-31"
"""The first and the last day, for connectors whose settings require a range of dates."""

Config = Callable[[str], Mapping[str, Any]]
"""Returns the settings with which a connector reads the whole account, for an access token."""


class Unusable(Exception):
    """Says why a connector cannot be fetched or installed."""


@dataclass(frozen=True)
class Connector:
    """`folder`: the connector's in its `repository`. `needs`: pip's arguments, as in the connector's Dockerfile.

    `deletions`: whether the connector reads the events of deletions, by which its own models remove deals.
    """

    title: str
    repository: str
    commit: str
    folder: str
    needs: Sequence[str]
    config: Config
    incremental: bool = False
    deletions: bool = False

    @property
    def streams(self) -> tuple[str, ...]:
        return ("leads", "events") if self.deletions else ("leads",)

    @property
    def program(self) -> Path:
        return self._code / self.folder / "main.py"

    @cached_property
    def name(self) -> str:
        """The title with the commit and the version of the CDK that is installed for it."""
        return f"{self.title} at {self.commit[:7]}, CDK {installed(self._python, 'airbyte-cdk')}"

    def command(self, url: str, token: str, files: Sequence[str]) -> list[str]:
        return [str(self._python), str(READERS), "connector", url, token, str(self.program), "read", *files]

    def prepare(self, source: str) -> None:
        """Raises Unusable."""
        if not self.program.exists():
            self._fetch(f"{source.rstrip('/')}/{self.repository}")
        ready = self._home / "ready"
        if not ready.exists():
            _run([sys.executable, "-m", "venv", str(self._home / "venv")], self._home)
            install = [str(self._python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*install, *self.needs], self.program.parent)
            ready.touch()

    def catalog(self) -> dict[str, Any]:
        mode, written = ("incremental", "append_dedup") if self.incremental else ("full_refresh", "overwrite")
        return {
            "streams": [
                {
                    "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", mode]},
                    "sync_mode": mode,
                    "destination_sync_mode": written,
                }
                for name in self.streams
            ]
        }

    @property
    def _home(self) -> Path:
        return FOLDER / f"{self.repository.replace('/', '+')}+{Path(self.folder).name}"

    @property
    def _code(self) -> Path:
        return self._home / "code"

    @property
    def _python(self) -> Path:
        return self._home / "venv" / "bin" / "python"

    def _fetch(self, repository: str) -> None:
        """Fetches only the connector's folder of the commit, as the repository may be all of Airbyte."""
        shutil.rmtree(self._code, ignore_errors=True)
        self._code.mkdir(parents=True)
        _run(["git", "init", "--quiet"], self._code)
        _run(["git", "remote", "add", "origin", repository], self._code)
        _run(["git", "fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", self.commit], self._code)
        _run(["git", "sparse-checkout", "set", "--no-cone", str(Path("/", self.folder, "*"))], self._code)
        _run(["git", "-c", "advice.detachedHead=false", "checkout", "--quiet", self.commit], self._code)


def installed(python: Path, package: str) -> str:
    """Returns the version of a package in the environment of another Python."""
    script = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def _run(command: Sequence[str], folder: Path) -> None:
    """Raises Unusable with the command's own error."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reasons = [line for line in lines if line.startswith(("fatal:", "ERROR:"))] or lines[-1:]
        raise Unusable(f"{' '.join(command[:2])}: {reasons[0] if reasons else done.returncode}")


def _by_kotstantin(start: int, _: str) -> dict[str, Any]:
    """`start`: 0 for everything. The token is no setting: the connector reads it from a database, here a stand-in."""
    database = {"db_host": "", "db_port": 5432, "db_name": "", "db_user": "", "db_password": ""}
    return {"domain": "example", "client_id": "", "client_secret": "", **database, "start_date": start}


def _by_grozwalker(token: str) -> dict[str, Any]:
    return {
        "credentials": {
            "auth_type": "oauth2.0",
            "client_id": "",
            "client_secret": "",
            "refresh_token": "",
            "access_token": token,
            "token_expiry_date": f"{EVER[1]}T00:00:00+00:00",
        },
        "start_date_for_replication": EVER[0],
        "end_date_for_replication": EVER[1],
    }


def _by_adventum(token: str) -> dict[str, Any]:
    return {
        "credentials": {"auth_type": "access_token_auth", "access_token": token},
        "subdomain": "example",
        "date_range": {"date_range_type": "custom_date", "date_from": EVER[0], "date_to": EVER[1]},
    }


_GROZWALKER = "grozwalker/airbyte", "67e44d8b88bab67e40c81d7a4deecc17e57179ad"
_MONOREPO = "airbyte-integrations/connectors/"
CONNECTORS = (
    *(
        Connector(
            f"Kotstantin108/Airbyte-AmoCRM-connector{how}",
            "Kotstantin108/Airbyte-AmoCRM-connector",
            "d4895db79a9cb1cda17ec722a6301d124570dce1",
            "",
            ("-r", "requirements.txt"),
            partial(_by_kotstantin, start),
            incremental=True,
            deletions=True,
        )
        for how, start in (("", 0), (" with its default start date", 1_420_070_400))
    ),
    Connector("grozwalker/airbyte source-amocrm", *_GROZWALKER, f"{_MONOREPO}source-amocrm", (".",), _by_grozwalker),
    Connector(
        "grozwalker/airbyte source-amocrm-incremental",
        *_GROZWALKER,
        f"{_MONOREPO}source-amocrm-incremental",
        (".",),
        _by_grozwalker,
        incremental=True,
    ),
    Connector(
        "adventum/airbyte source-amocrm",
        "adventum/airbyte",
        "5f10a9ec8eb303345666bbaadf630a05f0de8af9",
        f"{_MONOREPO}source-amocrm",
        (".",),
        _by_adventum,
    ),
)


def messages(printed: str) -> Iterator[dict[str, Any]]:
    """Yields Airbyte's messages among the lines. The last line may be cut off."""
    for line in printed.splitlines():
        if line.startswith("{"):
            with suppress(ValueError):
                yield json.loads(line)


def state_of(printed: str) -> list[Any] | dict[str, Any]:
    """Returns the state for the next sync: the last state of each stream, in the form in which it was printed."""
    streams: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    for state in (message["state"] for message in messages(printed) if message["type"] == "STATE"):
        if state.get("stream"):
            streams[json.dumps(state["stream"]["stream_descriptor"])] = {"type": "STREAM", "stream": state["stream"]}
        else:
            whole = state.get("data") or {}
    return list(streams.values()) or whole
