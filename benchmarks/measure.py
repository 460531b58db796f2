"""Runs the real command against the sandbox, each in its own process, and measures it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer

from source_amocrm.streams import STREAMS
from testing.connector import catalog

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("source-amocrm")
ALL = tuple(yaml.safe_load((ROOT / "testing" / "table-catalog.yaml").read_text(encoding="utf-8"))["tables"])
"""The fifteen tables of the catalog. More tables would make the figures incomparable with earlier ones."""
POLL = 0.02
"""Time between two looks at the process (seconds)."""


@dataclass(frozen=True)
class Run:
    """One `source-amocrm read`.

    `wall`, `cpu`: seconds. `memory`: the peak (bytes). `requests`, `refused` (429) and `repeated` (answered before) are
    counted in the sandbox's log. `rows`, `unique`: rows and different keys by stream. `row_bytes`: average of a row.
    """

    wall: float
    cpu: float
    memory: int
    requests: int
    refused: int
    repeated: int
    rows: Mapping[str, int]
    unique: Mapping[str, int]
    row_bytes: float

    @property
    def total(self) -> int:
        return sum(self.rows.values())


@dataclass(frozen=True)
class Process:
    """A process that has ended. `wall`, `cpu`: seconds. `memory`: the peak (bytes)."""

    status: int
    wall: float
    cpu: float
    memory: int

    @property
    def figures(self) -> dict[str, str]:
        return {
            "wall": f"{self.wall:.1f} s",
            "CPU": f"{self.cpu:.1f} s",
            "peak memory": f"{self.memory / 1e6:.0f} MB",
        }


@dataclass(frozen=True)
class Server:
    url: str
    config: Mapping[str, Any]

    def log(self) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = self._call("/_sandbox/log")
        return requests

    def edit(self, count: int) -> None:
        self._call(f"/_sandbox/edit?count={count}", b"")

    def _call(self, path: str, body: bytes | None = None) -> Any:
        with urllib.request.urlopen(self.url + path, body) as answer:
            return json.load(answer)


@contextmanager
def sandbox(
    account: Path, latency: tuple[float, float] = (0, 0), rate: float = 0, jitter: float = 0, **switches: Any
) -> Iterator[Server]:
    """Serves the account of that file until the block ends, and leaves the file as it is. `rate`: 0 for no limit."""
    command = [sys.executable, "-m", "sandbox", "--state", str(account), "--rate", str(rate)]
    command += ["--latency", *map(str, latency), "--jitter", str(jitter)]
    for name, value in switches.items():
        command += ["--switch", f"{name}={json.dumps(value)}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().strip()
            lines = iter(process.stdout.readline, "")
            text = ""
            for line in lines:
                text += line
                if line.startswith("}"):
                    break
            yield Server(url, json.loads(text))
        finally:
            process.kill()


def read(
    server: Server,
    streams: Collection[str],
    folder: Path,
    again: bool = False,
    killed_after: float | None = None,
    **settings: Any,
) -> Run:
    """Runs `source-amocrm read`.

    `again`: with the state of the last run in `folder`. `killed_after`: time until the process is killed (seconds).
    """
    folder.mkdir(exist_ok=True)
    state, output = folder / "state.json", folder / "output.jsonl"
    configured = ConfiguredAirbyteCatalogSerializer.dump(catalog(streams))
    (folder / "config.json").write_bytes(orjson.dumps({**server.config, **settings}))
    (folder / "catalog.json").write_bytes(orjson.dumps(configured))
    command = [str(COMMAND), "read", "--config", "config.json", "--catalog", "catalog.json"]
    command += ["--state", "state.json"] if again else []
    before = len(server.log())
    process = run(command, folder, output, killed_after)
    rows, unique, size, states = _delivered(output)
    earlier = orjson.loads(state.read_bytes()) if again else []
    earlier_states = {_stream(message): message for message in earlier}
    state.write_bytes(orjson.dumps(list((earlier_states | states).values())))
    requests = server.log()[before:]
    answered = Counter((one["path"], one["query"]) for one in requests if one["status"] in (200, 204))
    return Run(
        wall=process.wall,
        cpu=process.cpu,
        memory=process.memory,
        requests=len(requests),
        refused=sum(one["status"] == 429 for one in requests),
        repeated=sum(answered.values()) - len(answered),
        rows=rows,
        unique=unique,
        row_bytes=size / max(1, sum(rows.values())),
    )


def run(
    command: Sequence[str],
    folder: Path,
    output: Path,
    killed_after: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Runs a command with its output in the file `output`. `environment`: variables added to this process's own."""
    with output.open("wb") as sink:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        memory = 0
        while True:
            memory = _peak_memory(process.pid) or memory
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if killed_after is not None and time.monotonic() - started > killed_after:
                process.kill()
            time.sleep(POLL)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and killed_after is None:
        raise SystemExit(f"{' '.join(command[:3])} ended with {process.returncode}; see {output}")
    return Process(process.returncode, wall, used.ru_utime + used.ru_stime, memory or used.ru_maxrss * 1024)


def _peak_memory(pid: int) -> int:
    """Returns the peak memory so far (bytes), 0 if it is unknown. `wait4` counts the parent's memory before `exec`."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _stream(state: dict[str, Any]) -> str:
    name: str = state["stream"]["stream_descriptor"]["name"]
    return name


def _delivered(output: Path) -> tuple[Counter[str], dict[str, int], int, dict[str, Any]]:
    """Counts rows and different keys by stream and the rows' bytes, and returns each stream's last state."""
    rows: Counter[str] = Counter()
    keys: dict[str, set[tuple[Any, ...]]] = {}
    states: dict[str, Any] = {}
    size = 0
    with output.open("rb") as lines:
        for line in lines:
            try:
                message = orjson.loads(line)
            except orjson.JSONDecodeError:
                break  # the process was killed while it wrote
            if message["type"] == "RECORD":
                name, data = message["record"]["stream"], message["record"]["data"]
                rows[name] += 1
                size += len(line)
                keys.setdefault(name, set()).add(tuple(data[column] for column in STREAMS[name].primary_key))
            elif message["type"] == "STATE":
                states[_stream(message["state"])] = message["state"]
    return rows, {name: len(found) for name, found in keys.items()}, size, states
