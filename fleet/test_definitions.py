"""The Dagster project, in process: who is due when, what a failure of one account does, and a sync of a real one."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

os.environ["RETRY_AFTER"] = "0"  # read when the project is loaded

import dagster as dg
import pytest

import fleet.definitions as project
from fleet.settings import ROOT, Settings
from source_amocrm.accounts.folder import accounts, add
from source_amocrm.accounts.locks import folder_held
from source_amocrm.fleet.status import status_of
from source_amocrm.fleet.syncing import Loader

MIDNIGHT = datetime(2026, 11, 25, tzinfo=timezone.utc)
FOLDER = "accounts"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of no accounts yet; what stands for the loader fails for those called revoked…, and tells what it was asked."""
    monkeypatch.setenv("ACCOUNTS", str(tmp_path / FOLDER))
    monkeypatch.setenv("DB", "postgresql://user@host/crm")
    checkout = tmp_path / "checkout"
    python = checkout / ".venv-pyairbyte" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/bash\necho "$*" >> {tmp_path}/asked\n'
        'case "$*" in\n'
        """*revoked*) echo '{"rows": 0, "failures": ["The token is void."]}'; exit 1 ;;\n"""
        """*) echo '{"rows": 7, "seconds": 1.5}' ;;\nesac\n"""
    )
    python.chmod(0o755)
    monkeypatch.setattr(Settings, "loader", property(lambda self: Loader(self.database, checkout=checkout)))
    (tmp_path / FOLDER).mkdir()
    return tmp_path / FOLDER


def put(folder: Path, *names: str, **credentials: str) -> None:
    for name in names:
        add(folder, {"account_domain": f"{name}.amocrm.ru", "credentials": credentials})


def due(instance: dg.DagsterInstance, moment: datetime) -> list[dg.RunRequest]:
    repository = project.defs.get_repository_def()
    with dg.build_schedule_context(instance, moment, repository_def=repository) as context:
        found = project.each_at_its_minute.evaluate_tick(context).run_requests
    return list(found or ())


def run(instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("accounts", [name])
    job = project.defs.resolve_job_def("sync")
    return job.execute_in_process(instance=instance, partition_key=name, raise_on_error=False)


def test_each_account_is_due_once_an_hour_at_its_own_minute(instance: dg.DagsterInstance, folder: Path) -> None:
    names = [f"account-{number}" for number in range(60)]
    put(folder, *names)
    minutes = {minute: due(instance, MIDNIGHT + timedelta(minutes=minute)) for minute in range(60)}
    asked = Counter(str(request.partition_key) for requests in minutes.values() for request in requests)
    assert asked == Counter(names)
    assert max(map(len, minutes.values())) < 8, "spread over the hour"
    again = due(instance, MIDNIGHT + timedelta(hours=5, minutes=17))
    assert [request.partition_key for request in again] == [request.partition_key for request in minutes[17]]


def test_accounts_come_and_go_with_the_folder(instance: dg.DagsterInstance, folder: Path) -> None:
    put(folder, "east", "west")
    due(instance, MIDNIGHT)
    assert sorted(instance.get_dynamic_partitions("accounts")) == ["east", "west"]
    (folder / "east.json").unlink()
    put(folder, "north")
    due(instance, MIDNIGHT)
    assert sorted(instance.get_dynamic_partitions("accounts")) == ["north", "west"]


def test_accounts_of_one_integration_share_its_tag(instance: dg.DagsterInstance, folder: Path) -> None:
    put(folder, "east", "west", auth_type="oauth2.0", client_id="one")
    put(folder, "north", auth_type="long_lived_token", access_token="a-token")
    found = [one for minute in range(60) for one in due(instance, MIDNIGHT + timedelta(minutes=minute))]
    tags = {str(request.partition_key): request.tags[project.INTEGRATION] for request in found}
    assert tags["east"] == tags["west"] != tags["north"]


def test_an_account_that_is_still_being_synced_is_left_out(instance: dg.DagsterInstance, folder: Path) -> None:
    put(folder, "east")
    [account] = accounts(folder)
    moment = MIDNIGHT + timedelta(minutes=account.spread(60))
    assert len(due(instance, moment)) == 1
    job = project.defs.resolve_job_def("sync")
    under_way = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "east"})
    assert due(instance, moment) == []
    instance.report_run_failed(under_way)
    assert len(due(instance, moment)) == 1


def test_one_fails_and_the_others_go_on(
    instance: dg.DagsterInstance, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "east", "revoked", "west")
    (tmp_path / "tell").write_text(f"#!/bin/bash\ncat > {tmp_path}/told\n")
    (tmp_path / "tell").chmod(0o755)
    monkeypatch.setenv("ALERT", str(tmp_path / "tell"))
    results = {name: run(instance, name) for name in ("east", "revoked", "west")}
    assert {name: result.success for name, result in results.items()} == {"east": True, "revoked": False, "west": True}
    [made] = results["east"].asset_materializations_for_node("tables")
    assert (made.partition, made.metadata["rows"].value, made.metadata["seconds"].value) == ("east", 7, 1.5)
    asked = (tmp_path / "asked").read_text()
    assert [asked.count(f"--project {name}") for name in results] == [1, 1 + project.GIVEN.retries, 1]
    assert status_of(accounts(folder, ["revoked"])[0]).failed_in_a_row == 1 + project.GIVEN.retries

    failed = results["revoked"]
    context = dg.build_run_status_sensor_context(
        "tell", failed.get_run_failure_event(), instance, failed.dagster_run
    ).for_run_failure()
    project.tell(context)
    told = json.loads((tmp_path / "told").read_text())
    assert told["account"] == "revoked"
    assert "The token is void." in told["failure"]


def test_another_fleet_on_the_folder(instance: dg.DagsterInstance, folder: Path, tmp_path: Path) -> None:
    put(folder, "east")
    with folder_held(folder, "another Dagster"):
        assert not run(instance, "east").success
    assert not (tmp_path / "asked").exists()


def test_the_models_are_of_the_accounts_that_have_been_read(
    instance: dg.DagsterInstance, folder: Path, tmp_path: Path
) -> None:
    put(folder, "north-east", "revoked", "west")
    for name in ("north-east", "revoked", "west"):
        run(instance, name)
    (tmp_path / "asked").unlink()
    job = project.defs.resolve_job_def("build_models")
    assert job.execute_in_process(instance=instance).success
    assert (tmp_path / "asked").read_text() == "-m demo.models --project north_east,west\n"


def test_the_instance_takes_its_settings(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text((ROOT / "fleet" / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        queue = made.get_concurrency_config().run_queue_config
        assert queue
        assert queue.max_concurrent_runs == 2
        [limit] = queue.tag_concurrency_limits
        assert limit == {"key": project.INTEGRATION, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}


def test_a_real_account(instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = subprocess.Popen(
        [str(ROOT / ".venv" / "bin" / "python"), "-m", "integration_tests.sandbox", "--leads", "5", "--token", "oauth",
         "--config", str(tmp_path / "config.json")],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        assert server.stdout.readline().startswith("http://127.0.0.1:")
        while not (tmp_path / "config.json").exists() or not (tmp_path / "config.json").read_text().endswith("}\n"):
            pass
        given = json.loads((tmp_path / "config.json").read_text())
        given["credentials"]["token_expiry_date"] = "2020-01-01T00:00:00Z"
        monkeypatch.setenv("ACCOUNTS", str(tmp_path / FOLDER))
        monkeypatch.setenv("DB", str(tmp_path / "{name}.duckdb"))
        monkeypatch.setenv("STREAMS", "users,pipelines")
        account = add(tmp_path / FOLDER, given, "north")
        result = run(instance, "north")
        assert result.success
        [made] = result.asset_materializations_for_node("tables")
        assert int(str(made.metadata["rows"].value)) > 5
        assert account.settings()["credentials"]["refresh_token"] != given["credentials"]["refresh_token"]
        assert (tmp_path / "north.duckdb").stat().st_size > 0
    finally:
        server.terminate()
        server.communicate()
