"""The processes in which tests run commands."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from testing import forked


@pytest.mark.at_length
def test_a_command_runs_in_a_worker_in_which_the_fleet_has_started_its_fork_server(tmp_path: Path) -> None:
    server: Any = forkserver._forkserver
    server._stop()
    forked._start_server.cache_clear()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["amocrm_fleet.processes"])
    of_the_fleet = context.Process(target=int)
    of_the_fleet.start()
    of_the_fleet.join()

    done = forked.run(["models", "--quiet", "--to", f"duckdb:///{tmp_path}/crm.duckdb"])

    absent = f"There is no DuckDB file {tmp_path}/crm.duckdb. Read an account into it first: source-amocrm sync.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", absent)
