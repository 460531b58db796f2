"""The DAG of the guide in the real Airflow: an account is synced, modelled, verified and published."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pyarrow import parquet

from sandbox import OFF, Account, Server
from testing.guides import block, typed
from testing.machine import PLATFORMS
from testing.warehouse import ROOT

pytestmark = pytest.mark.at_length


def test_airflow_runs_the_dag_of_the_guide(tmp_path: Path) -> None:
    """By the commands of the guide, in an Airflow that has just been installed. Each task waits for the one before."""
    dags, folder = tmp_path / "dags", tmp_path / "amocrm"
    dags.mkdir()
    (folder / "accounts").mkdir(parents=True)
    (dags / "amocrm.py").write_text(block("airflow.md", '"""Each amoCRM account is synced'), encoding="utf-8")
    with Server(Account.generate(leads=10), rate=OFF) as server:
        config = {**server.config(), "requests_per_second": 50}
        (folder / "accounts" / "1001.json").write_text(json.dumps(config), encoding="utf-8")
        typed(
            f"airflow db migrate >migrated 2>&1\n{block('airflow.md', 'airflow pools set ')}",
            tmp_path,
            PATH=f"{PLATFORMS / 'bin'}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            HOME=str(tmp_path),
            AIRFLOW_HOME=str(tmp_path / "airflow"),
            AIRFLOW__CORE__DAGS_FOLDER=str(dags),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AMOCRM_FOLDER=str(folder),
            PUBLISH_TO=f"file://{folder}/lake",
        )
    file = folder / "lake/amocrm_marts/deals/project_id=1001/deals.parquet"
    assert parquet.read_metadata(file).num_rows >= 10
