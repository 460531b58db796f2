"""`python -m benchmarks.fleet --accounts 50`: invites accounts on this machine and syncs them with Dagster.

`source-amocrm invite` invites each account, and a script grants access in Chromium. Then Dagster's daemon runs the
project as in production, except that all accounts are due in the same minute: a first sync and, a period later, the
second. One account's access is revoked, one answers slowly, the first sync of one is killed, and one redirects before
its second sync, as a renamed account does. (The connector follows a rename only without `api_base_url`, which is set
here.) Needs the extra [fleet], PostgreSQL and Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from threading import Thread

from amocrm_fleet.accounts_folder import FleetAccount as Config
from amocrm_fleet.accounts_folder import accounts
from amocrm_fleet.status import status_of
from benchmarks.__main__ import machine
from benchmarks.granting import grant_all
from benchmarks.measure import ROOT
from sandbox import Account, Fault, Server
from testing import postgres

PROGRAMS = Path(sys.executable).parent
EIGHT_STREAMS = "deals,contacts,companies,statuses,pipelines,tasks,notes,events"
"""Not `users`, which an integration that an invitation made may not read."""
SLOW = (8.0, 9.0)
"""Latency of the slow account (seconds)."""
READY, SECONDS_TO_GRANT = 30, 2.5
"""Time for PostgreSQL, Dagster's daemon and the page to start, and time to grant one account (seconds)."""
SENSOR_WITHIN = 20
"""Time within which Dagster's sensor sees a failed run (seconds)."""
OVER = ("SUCCESS", "FAILURE", "CANCELED")
LOGS = """
import json, dagster as dg
instance = dg.DagsterInstance.get()
for run in reversed(instance.get_runs()):
    for event in instance.all_logs(run.run_id):
        if event.level >= 30 and not event.dagster_event:
            print(json.dumps([event.timestamp, event.user_message]))
"""


@dataclass(frozen=True)
class Run:
    """One of Dagster's runs. `created`, `ended`: unix seconds; `ended`: None while it runs."""

    job: str
    created: float
    ended: float | None


@dataclass
class Roles:
    """The names of the accounts that something happens to."""

    revoked: str
    slow: str
    killed: str
    moved: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--accounts", type=int, default=50, help="at least 5")
    parser.add_argument("--leads", type=int, default=20, help="deals of each account")
    parser.add_argument(
        "--period", type=int, default=5, help="a divisor of 1440: minutes from one sync of an account to its next"
    )
    parser.add_argument("--brief", type=float, default=30, help="seconds a sync may take beside others in one run")
    parser.add_argument("--streams", default=EIGHT_STREAMS)
    options = parser.parse_args()
    print(f"On {machine()}; {options.accounts} accounts of {options.leads} deals; {options.streams}", flush=True)
    began = time.monotonic()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amocrm-fleet-")))
        due = _first_due(options)
        names = list(islice(_named(due, options.period), options.accounts))
        servers = {name: stack.enter_context(_server(number, options.leads)) for number, name in enumerate(names)}
        granting = time.monotonic()
        grant_all(servers, home / "accounts")
        print(f"{len(names)} accounts invited and granted in {time.monotonic() - granting:.0f} s", flush=True)
        roles = Roles(*names[:4])
        _revoke(servers[roles.revoked], Config(home / "accounts" / f"{roles.revoked}.json"))
        servers[roles.slow].latency = SLOW
        database = stack.enter_context(postgres.server())
        daemon = stack.enter_context(_daemon(home, database, options))
        while due < time.time() + READY:
            due += 60 * options.period
        Thread(target=_kill, args=(servers[roles.killed], home, roles.killed), daemon=True).start()
        _round("First sync", due, servers, home, daemon)
        servers[roles.moved].sandbox.faults.add(Fault("redirect", r"^/api/"))
        servers[roles.slow].latency = (0.2, 0.4)
        _round("The next", due + 60 * options.period, servers, home, daemon)
        time.sleep(SENSOR_WITHIN)
        _print_roles(home, roles)
    print(f"\n{time.monotonic() - began:.0f} s in all", flush=True)


def _first_due(options: argparse.Namespace) -> float:
    """Returns the start of the minute by which all accounts should be granted (unix seconds)."""
    return (int(time.time() + READY + SECONDS_TO_GRANT * options.accounts) // 60 + 1) * 60.0


def _named(due: float, period: int) -> Iterator[str]:
    """Yields names of accounts that are due at that minute of the period."""
    names = (f"a{number:04}" for number in count())
    return (name for name in names if Config(Path(f"{name}.json")).spread(period) == due // 60 % period)


def _server(number: int, leads: int) -> Server:
    server = Server(Account.generate(seed=number, leads=leads), latency=(0.2, 0.4))
    server.account.switches.external = True
    return server


def _revoke(server: Server, config: Config) -> None:
    credentials = config.settings()["credentials"]
    server.tokens.revoke(credentials["access_token"])
    server.tokens.revoke(credentials["refresh_token"])


@contextmanager
def _daemon(home: Path, database: str, options: argparse.Namespace) -> Iterator[subprocess.Popen[bytes]]:
    """Runs Dagster's daemon with the project, which appends its alerts to a file."""
    (home / "dagster.yaml").write_text((ROOT / "amocrm_fleet" / "dagster.yaml").read_text())
    alert = f"sh -c 'cat >> {home}/alerts; echo >> {home}/alerts'"
    environment = os.environ | {
        "ACCOUNTS": str(home / "accounts"), "DB": database, "STREAMS": options.streams, "DAGSTER_HOME": str(home),
        "RETRIES": "1", "RETRY_AFTER": "1", "PERIOD": str(options.period), "BRIEF": str(options.brief), "ALERT": alert,
    }  # fmt: skip
    (home / "alerts").touch()
    with (home / "daemon.log").open("wb") as log:
        command = [str(PROGRAMS / "dagster-daemon"), "run", "-m", "amocrm_fleet.dagster_definitions"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _round(name: str, due: float, servers: dict[str, Server], home: Path, daemon: subprocess.Popen[bytes]) -> None:
    """Waits until every account has been synced since `due`, and prints what that took."""
    while time.time() < due - 1:
        time.sleep(0.5)
    seen = {account: len(server.log) for account, server in servers.items()}
    cpu, busy = _cpu_of(daemon.pid), _cpu_of_machine()
    while not _over(due, home):
        time.sleep(0.5)
    spent, busy = _cpu_of(daemon.pid) - cpu, _cpu_of_machine() - busy
    logs = [server.log[seen[account] :] for account, server in servers.items()]
    requests = sorted(map(len, logs))
    refused = sum(1 for log in logs for one in log if one.status == 429)
    runs = [run for run in _runs(home) if run.created >= due - 1]
    together = [run.ended - due for run in runs if run.job == "sync_several" and run.ended]
    alone = [run.ended - due for run in runs if run.job == "sync" and run.ended]
    print(
        f"\n{name} of {len(servers)} accounts, from the minute they are due\n"
        f"  wall: {max(together):.0f} s in {len(together)} runs of several"
        f"{f'; {max(alone):.0f} s with the {len(alone)} that had a run of their own' if alone else ''}\n"
        f"  CPU: {spent / len(servers):.1f} s an account for Dagster, the loader and the connector; "
        f"the machine was busy for {busy:.0f} s, amoCRM's and PostgreSQL's part included\n"
        f"  requests an account: {requests[0]} to {requests[-1]}, {sum(requests)} in all; {refused} × 429",
        flush=True,
    )


def _over(due: float, home: Path) -> bool:
    """Whether each account was synced since `due`, none waits for a retry, and no run is under way."""
    began = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(due))}"
    statuses = [status_of(account) for account in accounts(home / "accounts")]
    if any((status.ended or "") < began for status in statuses):
        return False
    if any(status.failed_in_a_row == 1 and not status.last.lasting for status in statuses):
        return False
    return all(run.ended for run in _runs(home))


def _runs(home: Path) -> list[Run]:
    with closing(sqlite3.connect(f"file:{home}/history/runs.db?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT pipeline_name, strftime('%s', create_timestamp), status, end_time FROM runs"
        ).fetchall()
    return [Run(job, float(created), ended if status in OVER else None) for job, created, status, ended in rows]


def _print_roles(home: Path, roles: Roles) -> None:
    """Prints what Dagster's log and the command of ALERT say about the accounts of `roles`."""
    environment = os.environ | {"DAGSTER_HOME": str(home)}
    done = subprocess.run(
        [PROGRAMS / "python", "-c", LOGS], env=environment, capture_output=True, text=True, check=True
    )
    logs = [json.loads(line) for line in done.stdout.splitlines()]
    alerts = [json.loads(line) for line in (home / "alerts").read_text().splitlines() if line]
    statuses = {account.name: status_of(account) for account in accounts(home / "accounts")}
    for role, name in vars(roles).items():
        print(f"\n{role}: {name}, now {statuses[name].state}")
        for line in [text for _, text in logs if text.startswith(f"{name}: ")]:
            print(f"  log:   {line}")
        for alert in [alert for alert in alerts if alert["account"] == name]:
            print(f"  ALERT: {json.dumps(alert, ensure_ascii=False)}")
    others = [status for name, status in statuses.items() if name not in vars(roles).values()]
    healthy = sum(1 for status in others if not status.last.failures)
    alerted = {alert["account"] for alert in alerts} - set(vars(roles).values())
    print(f"\nothers: {healthy} of {len(others)} up to date; alerts about others: {sorted(alerted) or 'none'}")


def _kill(server: Server, home: Path, name: str) -> None:
    """Kills the account's process, found by the lock that it holds, after its first eight requests."""
    seen = len(server.log)
    while len(server.log) < seen + 8:
        time.sleep(0.02)
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"multiprocessing.forkserver" in (folder / "cmdline").read_bytes():
                held = [os.readlink(file) for file in (folder / "fd").iterdir()]
                if str(home / "accounts" / ".fleet" / f"{name}.lock") in held:
                    os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue


def _cpu_of(pid: int) -> float:
    """Returns the CPU time of the process and all its descendants, ended ones included (seconds)."""
    family = {pid}
    stats = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit():
                stats[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
    while more := {number for number, stat in stats.items() if int(stat[1]) in family} - family:
        family |= more
    ticks = sum(int(value) for number in family if number in stats for value in stats[number][11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _cpu_of_machine() -> float:
    """Returns the time for which the machine's cores were busy (seconds)."""
    user, nice, system, _, _, irq, soft = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
