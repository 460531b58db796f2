"""One fleet a folder, one run an account; who holds it is told, and a process that dies lets go."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amocrm_fleet.accounts_folder import FleetAccount, add
from amocrm_fleet.locks import account_held, folder_held, myself
from source_amocrm.config_file import ConfigFileError


@pytest.fixture
def account(tmp_path: Path) -> FleetAccount:
    return add(tmp_path, {"account_domain": "north.amocrm.ru"})


def held_by_another(what: str, folder: Path) -> subprocess.Popen[str]:
    """A process that holds the folder or the account until it is killed."""
    script = (
        "import sys; from pathlib import Path\n"
        "from amocrm_fleet.locks import account_held, folder_held\n"
        "from amocrm_fleet.accounts_folder import FleetAccount\n"
        f"with {what}:\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"folder = __import__('pathlib').Path({str(folder)!r})\n{script}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_two_fleets_lock_each_other_out(tmp_path: Path, account: FleetAccount) -> None:
    process = held_by_another("folder_held(folder)", tmp_path)
    try:
        with pytest.raises(ConfigFileError) as caught, folder_held(tmp_path):
            pass
        host = re.escape(os.uname().nodename)
        assert re.fullmatch(
            rf"The accounts in {tmp_path} are in the hands of another fleet, process {process.pid} on {host}\. Two "
            "fleets would spend each other's refresh tokens: stop one of them, or give each its own folder.",
            str(caught.value),
        )
    finally:
        kill(process)
    with folder_held(tmp_path):
        assert account.path.exists()


def test_a_lock_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".fleet").mkdir()
    (tmp_path / ".fleet" / "lock").symlink_to("/dev/full")
    with (
        pytest.raises(ConfigFileError, match=r"^The locks beside the accounts cannot be written: "),
        folder_held(tmp_path),
    ):
        pass


def test_processes_of_one_fleet_share_the_folder(tmp_path: Path) -> None:
    process = held_by_another("folder_held(folder, 'dagster')", tmp_path)
    try:
        with folder_held(tmp_path, "dagster"), folder_held(tmp_path, "dagster"):
            pass
        with pytest.raises(ConfigFileError, match="another fleet, dagster"), folder_held(tmp_path):
            pass
    finally:
        kill(process)
    with folder_held(tmp_path, "another"), pytest.raises(ConfigFileError), folder_held(tmp_path, "dagster"):
        pass


def test_one_account_is_synced_once_at_a_time(tmp_path: Path, account: FleetAccount) -> None:
    process = held_by_another("account_held(FleetAccount(folder / 'north.json'))", tmp_path)
    try:
        with pytest.raises(ConfigFileError) as caught, account_held(account):
            pass
        assert str(caught.value) == (
            f"north is being synced or checked already, by process {process.pid} on {os.uname().nodename}. Two at once "
            "would spend each other's refresh token: wait until that one is done."
        )
    finally:
        kill(process)
    with account_held(account):
        pass


def test_a_child_that_outlives_its_parent_keeps_the_account(account: FleetAccount) -> None:
    with account_held(account) as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with pytest.raises(ConfigFileError, match=f"already, by {myself()}"), account_held(account):
        pass
    child.communicate(b"\n")
    with account_held(account):
        pass
