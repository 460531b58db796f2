"""`python -m benchmarks.fleet --accounts 50`: that many accounts on this machine, synced by the Dagster project, twice.

One of them has a token that is void, one answers slowly, and the sync of one is killed. Needs .venv-fleet (`make
fleet-test` sets it up) and PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

from integration_tests import postgres
from integration_tests.sandbox import Account, Server
from source_amocrm.accounts.account import Account as Config
from source_amocrm.accounts.folder import accounts, add
from source_amocrm.fleet.status import status_of

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv-fleet" / "bin" / "python"
REVOKED, SLOW, KILLED = "a000", "a001", "a002"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--leads", type=int, default=50, help="deals of each account")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--streams", default="deals,contacts,companies,statuses,users,tasks,notes,events")
    given = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amocrm-fleet-")))
        servers: dict[str, Server] = {}
        for number in range(given.accounts):
            name = f"a{number:03}"
            latency = (1.0, 1.5) if name == SLOW else (0.2, 0.4)
            account = Account.generate(seed=number, leads=given.leads)
            servers[name] = stack.enter_context(Server(account, latency=latency))
            settings: dict[str, Any] = dict(servers[name].config(oauth=True))
            if name == REVOKED:
                settings["credentials"] |= {"access_token": "", "refresh_token": "void"}
            add(home / "accounts", settings, name)
        database = stack.enter_context(postgres.server())
        environment = os.environ | {
            "ACCOUNTS": str(home / "accounts"), "DB": database, "STREAMS": given.streams, "DAGSTER_HOME": str(home),
            "RETRIES": "0",
        }  # fmt: skip
        (home / "dagster.yaml").write_text((ROOT / "fleet" / "dagster.yaml").read_text())
        known = f"import dagster as dg; dg.DagsterInstance.get().add_dynamic_partitions('accounts', {list(servers)!r})"
        subprocess.run([PYTHON, "-c", known], env=environment, check=True)
        for sync in ("first", "second"):
            _round(sync, servers, home, environment, given.parallel)


def _round(sync: str, servers: dict[str, Server], home: Path, environment: dict[str, str], parallel: int) -> None:
    seen = {name: len(server.log) for name, server in servers.items()}
    began, cpu = time.monotonic(), _cpu()
    if sync == "first":
        Thread(target=_kill, args=(servers[KILLED], home / "accounts" / f"{KILLED}.json"), daemon=True).start()
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(lambda name: _materialize(name, environment), servers))
    wall, spent = time.monotonic() - began, _cpu() - cpu
    asked = {name: server.log[seen[name] :] for name, server in servers.items()}
    requests = sorted(map(len, asked.values()))
    refused = sum(1 for log in asked.values() for one in log if one.status == 429)
    print(
        f"{sync} sync of {len(servers)} accounts: {wall:.0f} s, {spent / len(servers):.1f} CPU s an account, "
        f"{requests[0]} to {requests[-1]} requests an account, {sum(requests)} in all, {refused} × 429",
        flush=True,
    )
    for account in accounts(home / "accounts"):
        if failures := status_of(account).last.failures:
            print(f"  {account.name}: {' '.join(failures)[:160]}", flush=True)


def _materialize(name: str, environment: dict[str, str]) -> None:
    command = [str(PYTHON), "-m", "dagster", "asset", "materialize", "-m", "fleet.definitions", "--select", "tables"]
    subprocess.run([*command, "--partition", name], cwd=ROOT, env=environment, capture_output=True, check=False)


def _kill(server: Server, config: Path) -> None:
    """Kills the account's sync once it has asked for some pages."""
    while len(server.log) < 8:
        time.sleep(0.05)
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
        except OSError:
            continue
        if b"demo.sync" in command and str(Config(config).path).encode() in command:
            os.kill(int(folder.name), signal.SIGKILL)


def _cpu() -> float:
    """Seconds that processes which have ended used, theirs among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
