"""What Dagster runs: a partition an account, synced once a period, each at its own minute; the models after them."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from amocrm_fleet.folder import FleetAccount
from amocrm_fleet.locks import folder_held
from amocrm_fleet.processes import log_of
from amocrm_fleet.settings import Settings, settings
from amocrm_fleet.status import LastSync, Status, status_of
from source_amocrm.config_file import ConfigFileError

ACCOUNTS = dg.DynamicPartitionsDefinition(name="accounts")
INTEGRATION = "amocrm/integration"
"""The tag by which dagster.yaml limits how many accounts of one integration are synced at a time."""
KIND, ALONE, SEVERAL = "amocrm/run", "alone", "several"
"""The tag by which dagster.yaml keeps accounts that take long from taking every place, and its values."""
PRIORITY, LATER = "dagster/priority", "-1"
"""The tag by which a run of an account that has failed waits behind those of healthy ones."""
PARTITION = "dagster/partition"
EVERY_MINUTE = "* * * * *"
AT_A_TIME, MOST = 2, 20
"""Accounts of one run: synced at a time, and in all."""
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.asset(partitions_def=ACCOUNTS)
def tables(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """The tables of one account, brought up to date by a process of its own."""
    given = settings()
    with folder_held(given.accounts, given.fleet):
        [(account, done)] = given.syncing.sync_each(given.chosen([context.partition_key]))
    _tell_notices(context, account, done)
    if done.failures:
        metadata: dict[str, Any] = {"account": account.name, "failures": done.failures, "log": str(log_of(account))}
        raise dg.Failure(" ".join(done.failures), metadata=metadata)
    return dg.MaterializeResult(metadata=_metadata(account, done))


@dg.asset(deps=[tables])
def models() -> dg.MaterializeResult[Any]:
    """The marts over every account that has been read."""
    given = settings()
    ready = [account for account in given.chosen() if status_of(account).succeeded]
    for database, some in _databases(given, ready):
        projects = ",".join(one.project for one in some)
        # by the environment: a command line, which may hold a password, is shown to whoever lists the processes
        environment = {**os.environ, "DB": database}
        command = [sys.executable, "-m", MODELS, "--project", projects]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            which = database if "{name}" in given.db else "all accounts"
            raise dg.Failure(f"The models over {which} failed: {done.stderr.strip()}")
    return dg.MaterializeResult(metadata={"accounts": len(ready)})


MODELS = "amocrm_warehouse.models"


def _databases(given: Settings, ready: list[FleetAccount]) -> Iterator[tuple[str, list[FleetAccount]]]:
    """Each database, and the accounts that are in it."""
    if "{name}" in given.db:
        yield from ((given.db.replace("{name}", account.name), [account]) for account in ready)
    elif ready:
        yield given.db, ready


def _metadata(account: FleetAccount, done: LastSync) -> dict[str, Any]:
    return {"rows": done.rows, "seconds": done.seconds, "log": str(log_of(account))}


class Several(dg.Config):
    """Accounts that one run syncs, and how many of them at a time."""

    names: list[str]
    at_a_time: int = AT_A_TIME


@dg.op
def accounts_in_one_run(context: dg.OpExecutionContext, config: Several) -> None:
    """Accounts of which little is expected, by one run: the start of a run and of the loader costs more than a sync.

    One that fails, or takes long, harms no other: it goes on in a run of its own, which shows it as failed.
    """
    given = settings()
    with folder_held(given.accounts, given.fleet):
        there = [account for account in given.chosen() if account.name in config.names]
        for account, done in given.syncing.within(given.brief).sync_each(there, config.at_a_time):
            _tell_notices(context, account, done)
            if done.failures:
                context.log.warning(f"{account.name}: {' '.join(done.failures)} It goes on in a run of its own.")
                continue
            metadata = _metadata(account, done)
            context.log_event(dg.AssetMaterialization(tables.key, partition=account.name, metadata=metadata))


@dg.job(tags={KIND: SEVERAL})
def sync_several() -> None:
    accounts_in_one_run()


sync_job = dg.define_asset_job("sync", [tables], tags={KIND: ALONE})
models_job = dg.define_asset_job("build_models", [models])


@dg.schedule(job=sync_several, cron_schedule=EVERY_MINUTE, default_status=dg.DefaultScheduleStatus.RUNNING)
def each_at_its_minute(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Those of which little is expected, in runs of several. Accounts of one integration are synced one by one."""
    found = accounts_known(context)
    of_integration = Counter(map(integration, found))
    together: dict[str, list[str]] = defaultdict(list)
    for account in due_now(context, found):
        if not has_a_run_of_its_own(account):
            shared = integration(account)
            together[shared if of_integration[shared] > 1 else ""].append(account.name)
    for shared, names in together.items():
        tags = {INTEGRATION: shared} if shared else {}
        for number, some in enumerate(_parts(names, MOST)):
            config = Several(names=some, at_a_time=1 if shared else AT_A_TIME)
            run_config = dg.RunConfig({accounts_in_one_run.name: config})
            yield dg.RunRequest(f"{shared} {number} {_minute(context)}", run_config, tags)


@dg.schedule(job=sync_job, cron_schedule=EVERY_MINUTE, default_status=dg.DefaultScheduleStatus.RUNNING)
def failed_or_long(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Those whose last sync failed or took long, in runs of their own. A retry is a run: no place waits for it."""
    found = accounts_known(context)
    for account in due_now(context, found):
        if has_a_run_of_its_own(account):
            tags = {INTEGRATION: integration(account)}
            if status_of(account).last.failures:
                tags[PRIORITY] = LATER
            yield dg.RunRequest(f"{account.name} {_minute(context)}", partition_key=account.name, tags=tags)


def accounts_known(context: dg.ScheduleEvaluationContext) -> list[FleetAccount]:
    """Accounts come and go with the folder, and partitions with them."""
    found = settings().chosen()
    names, known = {account.name for account in found}, set(context.instance.get_dynamic_partitions("accounts"))
    if added := sorted(names - known):
        context.instance.add_dynamic_partitions("accounts", added)
    for name in known - names:
        context.instance.delete_dynamic_partition("accounts", name)
    return found


def due_now(context: dg.ScheduleEvaluationContext, found: list[FleetAccount]) -> list[FleetAccount]:
    """Those whose minute of the period it is, by the name alone, and those to retry; none that is being synced."""
    now, period = context.scheduled_execution_time, settings().period
    minute = (now.hour * 60 + now.minute) % period
    due = [account for account in found if account.spread(period) == minute or is_to_be_retried(context, account)]
    busy = under_way(context.instance) if due else set()
    for account in due:
        if account.name in busy:
            context.log.warning(f"{account.name} is still being synced, and is left out at {_minute(context)}.")
    return [account for account in due if account.name not in busy]


def has_a_run_of_its_own(account: FleetAccount) -> bool:
    last = status_of(account).last
    return bool(last.failures) or last.seconds > settings().brief / 2


def is_to_be_retried(context: dg.ScheduleEvaluationContext, account: FleetAccount) -> bool:
    """Whether the last sync failed beside others, so that nothing shows it yet, or failed and the time to wait is over.

    What a person has to mend is not retried before its next period.
    """
    status = status_of(account)
    if not status.failed_in_a_row or not status.ended:
        return False
    if status.failed_in_a_row == 1 and not _had_a_run_since(context, account, status):
        return True
    given = settings()
    wait = timedelta(seconds=given.retry_after * 2 ** (status.failed_in_a_row - 1))
    may_be = status.failed_in_a_row <= given.retries and not status.last.lasting
    return may_be and context.scheduled_execution_time >= _ended(status) + wait


def _had_a_run_since(context: dg.ScheduleEvaluationContext, account: FleetAccount, status: Status) -> bool:
    """Whether the last sync was in a run of its own, or one came after it."""
    [*newest] = context.instance.get_run_records(dg.RunsFilter(tags={PARTITION: account.name}), limit=1)
    return bool(newest) and (newest[0].end_time or newest[0].create_timestamp.timestamp()) >= _ended(status).timestamp()


def _ended(status: Status) -> datetime:
    return datetime.fromisoformat((status.ended or "").replace("Z", "+00:00"))


def _minute(context: dg.ScheduleEvaluationContext) -> str:
    return f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}"


def integration(account: FleetAccount) -> str:
    """The account's own name where its config cannot be read, which its sync will tell."""
    try:
        return account.integration
    except ConfigFileError:
        return account.name


def under_way(instance: dg.DagsterInstance) -> set[str]:
    """The accounts that runs have to do with that are not over."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
    return {name for run in runs for name in names_of(run)}


def names_of(run: dg.DagsterRun) -> list[str]:
    """The accounts that a run is of."""
    if partition := run.tags.get(PARTITION):
        return [partition]
    ops: Any = run.run_config.get("ops", {})
    return list(ops.get(accounts_in_one_run.name, {}).get("config", {}).get("names", []))


def _parts(names: list[str], most: int) -> Iterator[list[str]]:
    for start in range(0, len(names), most):
        yield names[start : start + most]


after_them = dg.ScheduleDefinition(
    name="models_once_a_period",
    job=models_job,
    cron_schedule="0 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.run_failure_sensor(
    monitored_jobs=[sync_job, sync_several, models_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
)
def tell(context: dg.RunFailureSensorContext) -> None:
    """One line in the log by the account's name, and the command of ALERT, which gets the same as JSON."""
    account = ", ".join(names_of(context.dagster_run)) or "models"
    said = " ".join(_first_cause(event) for event in context.get_step_failure_events())
    said = said or context.failure_event.message or "The run failed."
    context.log.error(f"{account}: {said}")
    _alert(account, failure=said)


def _tell_notices(context: Any, account: FleetAccount, done: LastSync) -> None:
    """What is no failure, and a person should know: that the account was renamed."""
    for notice in done.notices:
        context.log.warning(f"{account.name}: {notice}")
        try:
            _alert(account.name, notice=notice)
        except (OSError, subprocess.CalledProcessError) as error:
            context.log.error(f"{account.name}: the command of ALERT failed: {error}")


def _alert(account: str, **told: str) -> None:
    if alert := settings().alert:
        subprocess.run(alert, input=json.dumps({"account": account, **told}), text=True, check=True)


def _first_cause(event: dg.DagsterEvent) -> str:
    """What a step raised, and not that its retries are used up."""
    error = event.step_failure_data.error
    while error and error.cause:
        error = error.cause
    return error.message.strip().removeprefix("dagster._core.definitions.events.Failure: ") if error else ""


# a process of its own for the only step of a run would cost as much as the sync
defs = dg.Definitions(
    executor=dg.in_process_executor,
    assets=[tables, models],
    jobs=[sync_job, sync_several, models_job],
    schedules=[each_at_its_minute, failed_or_long, after_them],
    sensors=[tell],
)
