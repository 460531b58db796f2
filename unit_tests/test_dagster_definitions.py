"""The Dagster project, in process: who is due when, what a failure of one account does, and a sync of a real one."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import amocrm_fleet.dagster_definitions as project
from amocrm_fleet.accounts_folder import FleetAccount, accounts, add
from amocrm_fleet.dagster_settings import Settings
from amocrm_fleet.locks import folder_held
from amocrm_fleet.status import LastSync, Status, record, status_of
from amocrm_warehouse.kept_options import Kept
from amocrm_warehouse.report import watch
from sandbox import OFF, Account, Server
from sandbox.server import oauth_credentials
from source_amocrm import atomic_file
from testing.fake_loader import FakePublishing, FakeSyncing, FakeVerifying
from testing.leaks import NOTIFIED, leaks

MIDNIGHT = datetime(2026, 11, 25, tzinfo=timezone.utc)
FOLDER = "accounts"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Fails if its event log shows a secret."""
    with dg.instance_for_test() as made:
        yield made
        logged = [entry.to_json() for run in made.get_runs() for entry in made.all_logs(run.run_id)]
        assert [line for entry in logged for line in leaks(entry)] == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of no accounts yet; what stands for the loader does what an account is called."""
    monkeypatch.setenv("ACCOUNTS", str(tmp_path / FOLDER))
    monkeypatch.setenv("DB", "postgresql://user@host/crm")
    monkeypatch.setattr(Settings, "syncing", property(lambda self: FakeSyncing(self.db)))
    (tmp_path / FOLDER).mkdir()
    return tmp_path / FOLDER


def put(folder: Path, *names: str, **credentials: str) -> None:
    for name in names:
        add(folder, {"account_domain": f"{name}.amocrm.ru", "credentials": credentials})


def due(instance: dg.DagsterInstance, moment: datetime) -> list[dg.RunRequest]:
    """Runs of several, and then those of single accounts."""
    repository = project.defs.get_repository_def()
    found: list[dg.RunRequest] = []
    for schedule in (project.each_at_its_minute, project.failed_or_long):
        with dg.build_schedule_context(instance, moment, repository_def=repository) as context:
            found += schedule.evaluate_tick(context).run_requests or ()
    return found


def names(request: dg.RunRequest) -> list[str]:
    """The accounts that a run is asked for."""
    config = request.run_config.get("ops", {}).get("accounts_in_one_run", {}).get("config", {})
    return [str(request.partition_key)] if request.partition_key else list(config["names"])


def run(instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("accounts", [name])
    job = project.defs.resolve_job_def("sync")
    return job.execute_in_process(instance=instance, partition_key=name, raise_on_error=False)


def run_several(instance: dg.DagsterInstance, *several: str) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("accounts", list(several))
    config = dg.RunConfig({"accounts_in_one_run": project.Several(names=list(several))})
    return project.sync_several.execute_in_process(config, instance=instance, raise_on_error=False)


def minute_of(folder: Path, name: str) -> datetime:
    return MIDNIGHT + timedelta(minutes=accounts(folder, [name])[0].spread(60))


def test_each_account_is_due_once_a_period_at_its_own_minute(
    instance: dg.DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERIOD", "20")
    put(folder, *(put_there := [f"account-{number}" for number in range(20)]))
    minutes = {minute: due(instance, MIDNIGHT + timedelta(minutes=minute)) for minute in range(20)}
    asked = Counter(name for requests in minutes.values() for request in requests for name in names(request))
    assert asked == Counter(put_there)
    assert max(map(len, minutes.values())) == 1, "those of a minute share a run"
    assert max(len(names(request)) for requests in minutes.values() for request in requests) < 8
    again = due(instance, MIDNIGHT + timedelta(hours=5, minutes=17))
    assert [names(request) for request in again] == [names(request) for request in minutes[17]]


def test_many_at_once_are_several_runs(
    instance: dg.DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERIOD", "1")
    put(folder, *(f"account-{number}" for number in range(45)))
    assert [len(names(request)) for request in due(instance, MIDNIGHT)] == [20, 20, 5]


def test_accounts_come_and_go_with_the_folder(instance: dg.DagsterInstance, folder: Path) -> None:
    put(folder, "east", "west")
    due(instance, MIDNIGHT)
    assert sorted(instance.get_dynamic_partitions("accounts")) == ["east", "west"]
    (folder / "east.json").unlink()
    put(folder, "north")
    due(instance, MIDNIGHT)
    assert sorted(instance.get_dynamic_partitions("accounts")) == ["north", "west"]


def test_accounts_of_one_integration_are_one_run_one_after_another(
    instance: dg.DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERIOD", "1")
    put(folder, "east", "west", auth_type="oauth2.0", client_id="one")
    put(folder, "north", auth_type="long_lived_token", access_token="a-token")
    put(folder, "south", auth_type="oauth2.0", client_id="two")
    (folder / "worst.json").write_text("{")
    shared, others = due(instance, MIDNIGHT)
    assert (names(shared), names(others)) == (["east", "west"], ["north", "south", "worst"])
    at_a_time = [one.run_config["ops"]["accounts_in_one_run"]["config"]["at_a_time"] for one in (shared, others)]
    assert at_a_time == [1, 2]
    assert shared.tags[project.INTEGRATION] == accounts(folder, ["east"])[0].integration
    assert project.INTEGRATION not in others.tags


def test_an_account_that_is_still_being_synced_is_left_out(instance: dg.DagsterInstance, folder: Path) -> None:
    put(folder, "east")
    moment = minute_of(folder, "east")
    [request] = due(instance, moment)
    alone: dict[str, Any] = {"job_def": project.defs.resolve_job_def("sync"), "tags": {"dagster/partition": "east"}}
    several: dict[str, Any] = {"job_def": project.sync_several, "run_config": request.run_config}
    for given in (alone, several):
        under_way = instance.create_run_for_job(**given, status=dg.DagsterRunStatus.STARTED)
        assert due(instance, moment) == []
        instance.report_run_failed(under_way)
        assert len(due(instance, moment)) == 1


def test_one_that_takes_long_has_a_run_of_its_own(instance: dg.DagsterInstance, folder: Path) -> None:
    put(folder, "east")
    [account] = accounts(folder)
    record(account, LastSync(rows=1_000_000, seconds=Settings.brief))
    [request] = due(instance, minute_of(folder, "east"))
    assert request.partition_key == "east"
    assert request.tags[project.INTEGRATION] == account.integration
    assert due(instance, minute_of(folder, "east") + timedelta(minutes=1)) == []


def test_one_of_several_fails_and_goes_on_in_a_run_of_its_own(
    instance: dg.DagsterInstance, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "fine", "killed", "renamed", "revoked")
    (folder / "worst.json").write_text("{")
    (tmp_path / "tell").write_text(f"#!/bin/bash\ncat >> {tmp_path}/told\n")
    (tmp_path / "tell").chmod(0o755)
    monkeypatch.setenv("ALERT", str(tmp_path / "tell"))
    result = run_several(instance, "fine", "gone", "killed", "renamed", "revoked", "worst")
    assert result.success
    made = {str(one.partition): one for one in result.asset_materializations_for_node("accounts_in_one_run")}
    assert sorted(made) == ["fine", "renamed"]
    assert (made["fine"].metadata["rows"].value, made["fine"].metadata["seconds"].value) == (33, 1.5)
    assert json.loads((tmp_path / "told").read_text()) == {"account": "renamed", "notice": "It is now called south."}

    moment = MIDNIGHT + timedelta(minutes=max(minute_of(folder, name).minute for name in ("fine", "renamed")) + 1)
    alone = due(instance, moment)
    assert sorted(str(request.partition_key) for request in alone) == ["killed", "revoked", "worst"]
    assert not run(instance, "revoked").success
    assert sorted(str(request.partition_key) for request in due(instance, moment)) == ["killed", "worst"]
    job = project.defs.resolve_job_def("sync")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags={"dagster/partition": "killed"})
    assert [request.partition_key for request in due(instance, moment)] == ["worst"], "it had its own"
    assert "revoked" in [request.partition_key for request in due(instance, minute_of(folder, "revoked"))]


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
    assert (made.partition, made.metadata["rows"].value, made.metadata["seconds"].value) == ("east", 33, 1.5)
    asked = (tmp_path / "asked").read_text()
    assert [asked.count(f"as {name}:") for name in results] == [1, 1, 1], "a retry is a run of its own"
    assert status_of(accounts(folder, ["revoked"])[0]).failed_in_a_row == 1

    failed = results["revoked"]
    context = dg.build_run_status_sensor_context(
        "tell", failed.get_run_failure_event(), instance, failed.dagster_run
    ).for_run_failure()
    project.tell(context)
    told = json.loads((tmp_path / "told").read_text())
    assert told["account"] == "revoked"
    assert "amoCRM no longer accepts the refresh token." in told["failure"]


def failed(account: FleetAccount, in_a_row: int, *, ago: timedelta, lasting: bool = False) -> None:
    """Its last syncs failed, the last one so long before midnight."""
    ended = f"{MIDNIGHT - ago:%Y-%m-%dT%H:%M:%SZ}"
    status = Status(LastSync(failures=["No."], lasting=lasting), ended, None, in_a_row)
    record(account, status.last)
    kept = {**vars(status), "last": vars(status.last)}
    atomic_file.write(account.beside("status.json"), atomic_file.json_text(kept))


def test_a_retry_is_a_run_after_a_while_and_within_the_hour_for_what_a_person_has_to_mend(
    instance: dg.DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERIOD", "1440")
    put(folder, *("second", "soon", "late", "last", "lasting", "waits", "spent", "paid"))
    of = {account.name: account for account in accounts(folder)}
    failed(of["soon"], 1, ago=timedelta(seconds=30))
    failed(of["second"], 1, ago=timedelta(seconds=60))
    failed(of["late"], 2, ago=timedelta(seconds=120))
    failed(of["waits"], 2, ago=timedelta(seconds=90))
    failed(of["last"], Settings.retries + 1, ago=timedelta(minutes=59))
    failed(of["lasting"], 1, ago=timedelta(minutes=59), lasting=True)
    failed(of["spent"], 20, ago=timedelta(hours=1))
    failed(of["paid"], 1, ago=timedelta(hours=1), lasting=True)
    job = project.defs.resolve_job_def("sync")
    for name in of:  # each had a run of its own that shows it
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags={"dagster/partition": name})
    minutes = {minute_of(folder, name) for name in of}
    assert MIDNIGHT not in minutes
    found = due(instance, MIDNIGHT)
    assert sorted(str(request.partition_key) for request in found) == ["late", "paid", "second", "spent"]
    assert {request.tags[project.PRIORITY] for request in found} == {project.LATER}, "behind healthy accounts"


def test_a_dead_account_shows_as_failed(instance: dg.DagsterInstance, folder: Path) -> None:
    put(folder, "fine", "revoked")
    run_several(instance, "fine", "revoked")
    assert partitions(instance) == {"fine": "MATERIALIZED"}
    [request] = [one for one in due(instance, MIDNIGHT) if one.partition_key == "revoked"]
    assert not run(instance, "revoked").success
    assert partitions(instance) == {"fine": "MATERIALIZED", "revoked": "FAILED"}
    assert [one for one in due(instance, MIDNIGHT) if one.partition_key == "revoked"] == []
    assert request.tags[project.INTEGRATION]


def partitions(instance: dg.DagsterInstance) -> dict[str, str]:
    found = instance.get_status_by_partition(
        project.tables.key, ["fine", "revoked"], dg.DynamicPartitionsDefinition(name="accounts")
    )
    return {name: status.value for name, status in (found or {}).items() if status is not None}


def test_another_fleet_on_the_folder(instance: dg.DagsterInstance, folder: Path, tmp_path: Path) -> None:
    put(folder, "east")
    with folder_held(folder, "another Dagster"):
        assert not run(instance, "east").success
    assert not (tmp_path / "asked").exists()


def test_the_models_are_of_the_accounts_that_have_been_read(
    instance: dg.DagsterInstance, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "north-east", "revoked", "west")
    for name in ("north-east", "revoked", "west"):
        run(instance, name)
    monkeypatch.setattr(project, "MODELS", "testing.fake_models")
    monkeypatch.setenv("FAKE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(watch, "watched_in", lambda database: {"west": [f"{database}: users: new 1"], "other": ["No."]})
    job = project.defs.resolve_job_def("build_models")
    result = job.execute_in_process(instance=instance)
    assert result.success
    [check] = result.get_asset_check_evaluations()
    assert (check.asset_key, check.check_name, check.passed) == (project.models.key, "in_habit", False)
    told = {name: one.value for name, one in check.metadata.items()}
    assert (check.severity, told) == (
        dg.AssetCheckSeverity.WARN, {"west": "postgresql://user@host/crm: users: new 1"},
    )  # fmt: skip
    assert (tmp_path / "models").read_text() == "postgresql://user@host/crm --quiet --project north_east,west\n"


def test_the_digest_goes_to_the_recipients_of_the_fleet(
    instance: dg.DagsterInstance, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "west")
    run(instance, "west")
    monkeypatch.setattr(project, "REPORT", "testing.fake_models")
    monkeypatch.setenv("FAKE_MODELS", str(tmp_path / "sent"))
    job = project.defs.resolve_job_def("send_digests")
    failed = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not failed.success
    assert "There is nobody to send the digest to" in "".join(one.to_json() for one in instance.all_logs(failed.run_id))
    monkeypatch.setenv("NOTIFY", NOTIFIED)
    refused = job.execute_in_process(instance=instance, raise_on_error=False)
    assert project._first_cause(refused.get_step_failure_events()[0]).startswith("NOTIFY takes no address, because ")
    assert not (tmp_path / "sent").exists(), "every user of the machine could see the address"
    monkeypatch.setenv("NOTIFY", "notify.yaml")
    assert job.execute_in_process(instance=instance).success
    told = "postgresql://user@host/crm --quiet --built --notify notify.yaml\n"
    assert (tmp_path / "sent").read_text() == told
    put(folder, "north-east")
    run(instance, "north-east")
    monkeypatch.setenv("DB", "duckdb:///{name}.duckdb")
    assert job.execute_in_process(instance=instance).success
    assert (tmp_path / "sent").read_text() == told + (
        "duckdb:///north-east.duckdb --quiet --built --notify notify.yaml --elsewhere west\n"
        "duckdb:///west.duckdb --quiet --built --notify notify.yaml --elsewhere north_east\n"
    )
    assert project.digest_schedule.cron_schedule == "0 9 * * 1-5"
    assert Settings.of({"DIGEST": "0 8 * * 1"}).digest == "0 8 * * 1"


def test_what_each_account_keeps_is_set_by_the_environment() -> None:
    kept = {"KEEP_DELETED": "yes", "HISTORY": "deals,contacts", "HISTORY_DAYS": "730"}
    assert Settings.of(kept).syncing.kept == Kept(True, ("deals", "contacts"), 730)
    assert Settings.of({"KEEP_DELETED": "no", "HISTORY": "none"}).syncing.kept == Kept(False, (), None)
    assert Settings.of({"HISTORY": ""}).syncing.kept == Kept()
    for name, value in (("KEEP_DELETED", "true"), ("HISTORY_DAYS", "a year")):
        with pytest.raises(ValueError, match=f"^{name} is .*, and not {value}\\.$"):
            Settings.of({name: value})


def test_the_marts_are_published_after_the_models_where_a_warehouse_is_named(
    instance: dg.DagsterInstance, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "east", "refused", "unread", "west")
    for name in ("east", "refused", "west"):
        record(accounts(folder, [name])[0], LastSync(5))
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project, "MODELS", "testing.fake_models")
    monkeypatch.setenv("FAKE_MODELS", str(tmp_path / "models"))
    publishing = property(lambda self: FakePublishing(self.db, self.publish_to, self.publish_only))
    monkeypatch.setattr(Settings, "publishing", publishing)
    job = project.defs.resolve_job_def("build_models")

    def built() -> Any:
        return job.execute_in_process(instance=instance, raise_on_error=False)

    result = built()
    assert (result.success, result.asset_materializations_for_node("published")) == (True, [])
    assert not (tmp_path / "asked").exists(), "no warehouse is named"

    monkeypatch.setenv("PUBLISH_TO", "postgresql://ann:pl4nted-Passw0rd@host/dwh")
    monkeypatch.setenv("PUBLISH_ONLY", "marts, tables")
    result = built()
    assert not result.success
    assert project._first_cause(result.get_step_failure_events()[0]) == "refused: The database cannot be opened: no."
    place = "of postgresql://user@host/crm into postgresql://ann:pl4nted-Passw0rd@host/dwh: marts,tables"
    asked = sorted((tmp_path / "asked").read_text().splitlines())
    assert asked == [f"{name} {place}" for name in ("east", "refused", "west")]
    assert "pl4nted" not in "".join(entry.to_json() for entry in instance.all_logs(result.run_id))

    (folder / "refused.json").unlink()
    [made] = built().asset_materializations_for_node("published")
    said = "1,007 rows of 2 tables are in the warehouse."
    assert {name: made.metadata[name].value for name in ("east", "west")} == {"east": said, "west": said}


def test_a_verification_fails_the_check_of_the_tables_and_tells_which_account_differs(
    instance: dg.DagsterInstance, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "differs", "east", "unread")
    (tmp_path / "tell").write_text(f"#!/bin/bash\ncat >> {tmp_path}/told\n")
    (tmp_path / "tell").chmod(0o755)
    monkeypatch.setenv("ALERT", str(tmp_path / "tell"))
    monkeypatch.setattr(Settings, "verifying", property(lambda self: FakeVerifying(self.db)))
    for name in ("differs", "east"):
        assert run(instance, name).get_asset_check_evaluations() == [], "a sync verifies nothing"
    result = project.defs.resolve_job_def("verify").execute_in_process(instance=instance)
    [check] = result.get_asset_check_evaluations()
    assert (check.asset_key, check.check_name, check.passed) == (project.tables.key, "equals_the_account", False)
    equal = "All 7 rows looked at are equal; 0 tables of 1 were looked at in part."
    differs = "2 differences in 7 rows looked at: deals (2 missing). 0 tables of 1 were looked at in part."
    assert {name: one.value for name, one in check.metadata.items()} == {"differs": differs, "east": equal}
    told = json.loads((tmp_path / "told").read_text())
    assert (told["account"], told["failure"].startswith(differs)) == ("differs", True)
    of = {account.name: status_of(account).verified for account in accounts(folder)}
    assert {name: one and one.code for name, one in of.items()} == {"differs": 1, "east": 0, "unread": None}

    (folder / "differs.json").unlink()
    [check] = project.defs.resolve_job_def("verify").execute_in_process(instance=instance).get_asset_check_evaluations()
    assert check.passed


def test_accounts_are_verified_once_a_week() -> None:
    assert project.verify_schedule.cron_schedule == "0 3 * * 0"
    assert Settings.of({"VERIFY": "0 4 1 * *"}).verify == "0 4 1 * *"


def test_no_event_holds_the_password_of_the_database(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at port 1: the sync fails, and so do the models of an account that was read before."""
    monkeypatch.setenv("ACCOUNTS", str(tmp_path / FOLDER))
    monkeypatch.setenv("DB", "postgresql://ann:pl4nted-Passw0rd@127.0.0.1:1/{name}")
    put(tmp_path / FOLDER, "north", auth_type="long_lived_token", access_token="a.b.c")
    record(accounts(tmp_path / FOLDER)[0], LastSync(rows=5))
    results = [
        run(instance, "north"),
        run_several(instance, "north"),
        project.defs.resolve_job_def("build_models").execute_in_process(instance=instance, raise_on_error=False),
    ]
    assert [result.success for result in results] == [False, True, False]
    events = "".join(entry.to_json() for result in results for entry in instance.all_logs(result.run_id))
    assert events.count("Connection refused") >= 3
    assert "The models over postgresql://ann@127.0.0.1:1/north failed: " in events
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert [text for text in (events, *written) if "pl4nted" in text] == []


def test_the_instance_takes_its_settings(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(resources.files("amocrm_fleet").joinpath("dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        queue = made.get_concurrency_config().run_queue_config
        assert queue
        assert queue.max_concurrent_runs == 3
        assert made.get_settings("nux") == {"enabled": False}
        assert queue.tag_concurrency_limits == [
            {"key": project.INTEGRATION, "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
            {"key": project.KIND, "value": {"applyLimitPerUniqueValue": True}, "limit": 2},
        ]


def test_a_real_account(instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNTS", str(tmp_path / FOLDER))
    monkeypatch.setenv("DB", f"duckdb:///{tmp_path}/{{name}}.duckdb")
    monkeypatch.setenv("STREAMS", "users,pipelines")
    with Server(Account.generate(leads=5), rate=OFF) as server:
        expired = {**oauth_credentials(server.tokens), "token_expiry_date": "2020-01-01T00:00:00Z"}
        account = add(tmp_path / FOLDER, {**server.config(), "credentials": expired}, "north")
        result = run(instance, "north")
        rows = len(server.account.users) + len(server.account.pipelines)
    assert result.success
    [made] = result.asset_materializations_for_node("tables")
    assert made.metadata["rows"].value == rows
    assert account.settings()["credentials"]["refresh_token"] != expired["refresh_token"]
    assert (tmp_path / "north.duckdb").stat().st_size > 0
