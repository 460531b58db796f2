"""The Dagster project: accounts as partitions, synced once a period, published, and verified once a week."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.dagster_settings import Settings, settings
from amocrm_fleet.locks import folder_held
from amocrm_fleet.processes import log_of
from amocrm_fleet.status import LastSync, Status, out_of_habit, status_of
from amocrm_warehouse.database_address import without_password
from source_amocrm.config_file import ConfigFileError

ACCOUNTS = dg.DynamicPartitionsDefinition(name="accounts")
INTEGRATION = "amocrm/integration"
"""Run tag: dagster.yaml limits how many runs of one integration are under way at a time."""
KIND, ALONE, SEVERAL = "amocrm/run", "alone", "several"
"""Run tag and its values: dagster.yaml limits the runs of either kind, so that neither takes every slot."""
PRIORITY, LATER = "dagster/priority", "-1"
"""Run tag and its value for an account that has failed: its run starts after the runs of healthy accounts."""
PARTITION = "dagster/partition"
EVERY_MINUTE = "* * * * *"
AT_A_TIME, MOST_IN_A_RUN = 2, 20
"""Accounts that one run syncs at a time, and in all. Further accounts get another run."""
LONGEST_WAIT = 3600.0
"""Longest wait before a failed account is synced again (seconds)."""
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.asset(partitions_def=ACCOUNTS)
def tables(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """The tables of one account, brought up to date by the account's own process."""
    options = settings()
    with folder_held(options.accounts, options.fleet):
        [(account, done)] = options.syncing.each(options.chosen([context.partition_key]))
    _log_notices(context, account, done)
    if done.failures:
        metadata: dict[str, Any] = {"account": account.name, "failures": done.failures, "log": str(log_of(account))}
        raise dg.Failure(" ".join(done.failures), metadata=metadata)
    return dg.MaterializeResult(metadata=_metadata(account, done))


@dg.asset(deps=[tables])
def models() -> dg.MaterializeResult[Any]:
    """The marts over every account that was synced successfully at least once."""
    options = settings()
    ready = [account for account in options.chosen() if status_of(account).succeeded]
    for database, some in _databases(options, ready):
        _of_database(options, database, "models", MODELS, "--project", ",".join(one.project for one in some))
    return dg.MaterializeResult(metadata={"accounts": len(ready)})


@dg.asset(deps=[models])
def digests() -> dg.MaterializeResult[Any]:
    """The digest and the picture of the month of the present marts, sent to each recipient in the file of NOTIFY."""
    options = settings()
    if not options.notify:
        raise dg.Failure("There is nobody to send the digest to: name a file of recipients in NOTIFY.")
    if "://" in options.notify:
        raise dg.Failure(
            "NOTIFY takes no address, because every user of this machine can see a command line: put the address into "
            "a file that only its owner can read, and name the file in NOTIFY."
        )
    ready = [account for account in options.chosen() if status_of(account).succeeded]
    databases = list(_databases(options, ready))
    failures = []
    for database, some in databases:
        others = ",".join(one.project for one in ready if one not in some)
        elsewhere = ["--elsewhere", others] if others else []
        try:
            _of_database(options, database, "digest", REPORT, "--built", "--notify", options.notify, *elsewhere)
        except dg.Failure as failure:  # the digests of the other databases are sent
            failures.append(str(failure.description))
    if failures:
        raise dg.Failure(" ".join(failures))
    return dg.MaterializeResult(metadata={"databases": len(databases)})


def _of_database(options: Settings, database: str, what: str, module: str, *arguments: str) -> None:
    """Runs a command over the marts of a database. Raises dg.Failure with what the command said."""
    # the address may hold a password, and every user of the machine sees command lines: it goes by the environment
    environment = {**os.environ, "DB": database}
    command = [sys.executable, "-m", module, "--quiet", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        which = database if "{name}" in options.db else "all accounts"
        raise dg.Failure(without_password(f"The {what} over {which} failed: {done.stderr.strip()}"))


@dg.asset(deps=[models], output_required=False)
def published(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
    """The marts of every account that was synced successfully at least once, in the warehouse of PUBLISH_TO."""
    options = settings()
    if not options.publish_to:
        context.log.info("Nothing is published: PUBLISH_TO names no warehouse.")
        return
    ready = [account for account in options.chosen() if status_of(account).succeeded]
    with folder_held(options.accounts, options.fleet):
        found = {account.name: one for account, one in options.publishing.each(ready, AT_A_TIME)}
    sentences = {name: one.sentence for name, one in sorted(found.items())}
    if failures := [f"{name}: {one.failure}" for name, one in sorted(found.items()) if one.failure]:
        raise dg.Failure(" ".join(failures), metadata=sentences)
    yield dg.MaterializeResult(metadata=sentences)


@dg.asset_check(asset=tables, name="equals_the_account")
def verified(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The tables of every account that was synced successfully at least once, beside the account itself."""
    options = settings()
    ready = [account for account in options.chosen() if status_of(account).succeeded]
    with folder_held(options.accounts, options.fleet):
        found = {account.name: one for account, one in options.verifying.each(ready, AT_A_TIME)}
    for name, one in found.items():
        if one.code:
            context.log.error(f"{name}: {one.sentence}")
            _tell(context, name, failure=" ".join([one.sentence, *one.notices]))
    sentences = {name: one.sentence for name, one in sorted(found.items())}
    return dg.AssetCheckResult(passed=not any(one.code for one in found.values()), metadata=sentences)


@dg.asset_check(asset=models, name="in_habit")
def in_habit() -> dg.AssetCheckResult:
    """What the present marts say is out of the habit of each account; a warning."""
    options = settings()
    found = out_of_habit((account for account in options.chosen() if status_of(account).succeeded), options.db)
    sentences = {name: "\n".join(told) for name, told in found.items()}
    return dg.AssetCheckResult(passed=not found, severity=dg.AssetCheckSeverity.WARN, metadata=sentences)


MODELS, REPORT = "amocrm_warehouse.models_command", "amocrm_warehouse.report.report_command"


def _databases(options: Settings, ready: list[FleetAccount]) -> Iterator[tuple[str, list[FleetAccount]]]:
    """Yields each database's address with the accounts in it."""
    if "{name}" in options.db:
        yield from ((options.db.replace("{name}", account.name), [account]) for account in ready)
    elif ready:
        yield options.db, ready


def _metadata(account: FleetAccount, done: LastSync) -> dict[str, Any]:
    return {"rows": done.rows, "seconds": done.seconds, "log": str(log_of(account))}


class Several(dg.Config):
    """The names of the accounts that one run syncs, and how many it syncs at a time."""

    names: list[str]
    at_a_time: int = AT_A_TIME


@dg.op
def accounts_in_one_run(context: dg.OpExecutionContext, config: Several) -> None:
    """Syncs accounts that are expected to be quick in one run: starting a run and a loader costs more than their syncs.

    An account that fails, or takes longer than `brief`, goes on in its own run, which shows it as failed.
    """
    options = settings()
    with folder_held(options.accounts, options.fleet):
        chosen = [account for account in options.chosen() if account.name in config.names]
        for account, done in options.syncing.within(options.brief).each(chosen, config.at_a_time):
            _log_notices(context, account, done)
            if done.failures:
                context.log.warning(f"{account.name}: {' '.join(done.failures)} It goes on in a run of its own.")
                continue
            metadata = _metadata(account, done)
            context.log_event(dg.AssetMaterialization(tables.key, partition=account.name, metadata=metadata))


@dg.job(tags={KIND: SEVERAL})
def sync_several() -> None:
    accounts_in_one_run()


sync_job = dg.define_asset_job("sync", dg.AssetSelection.assets(tables).without_checks(), tags={KIND: ALONE})
verify_job = dg.define_asset_job("verify", dg.AssetSelection.checks(verified), tags={KIND: SEVERAL})
models_job = dg.define_asset_job("build_models", [models, published])
digest_job = dg.define_asset_job("send_digests", [digests])


@dg.schedule(job=sync_several, cron_schedule=EVERY_MINUTE, default_status=dg.DefaultScheduleStatus.RUNNING)
def each_at_its_minute(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Requests runs, of several quick accounts each, that are due; accounts of one integration sync one by one."""
    found = accounts_known(context)
    of_integration = Counter(map(integration, found))
    together: dict[str, list[str]] = defaultdict(list)
    for account in due_now(context, found):
        if not has_a_run_of_its_own(account):
            shared = integration(account)
            together[shared if of_integration[shared] > 1 else ""].append(account.name)
    for shared, names in together.items():
        tags = {INTEGRATION: shared} if shared else {}
        for number, start in enumerate(range(0, len(names), MOST_IN_A_RUN)):
            config = Several(names=names[start : start + MOST_IN_A_RUN], at_a_time=1 if shared else AT_A_TIME)
            run_config = dg.RunConfig({accounts_in_one_run.name: config})
            yield dg.RunRequest(f"{shared} {number} {_minute(context)}", run_config, tags)


@dg.schedule(job=sync_job, cron_schedule=EVERY_MINUTE, default_status=dg.DefaultScheduleStatus.RUNNING)
def failed_or_long(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Requests a run for each due account whose last sync failed or took long. A retry is a new run, so none waits."""
    found = accounts_known(context)
    for account in due_now(context, found):
        if has_a_run_of_its_own(account):
            tags = {INTEGRATION: integration(account)}
            if status_of(account).last.failures:
                tags[PRIORITY] = LATER
            yield dg.RunRequest(f"{account.name} {_minute(context)}", partition_key=account.name, tags=tags)


def accounts_known(context: dg.ScheduleEvaluationContext) -> list[FleetAccount]:
    """Lists the folder's accounts, and adds and deletes partitions so that there is one for each."""
    found = settings().chosen()
    names, known = {account.name for account in found}, set(context.instance.get_dynamic_partitions("accounts"))
    if added := sorted(names - known):
        context.instance.add_dynamic_partitions("accounts", added)
    for name in known - names:
        context.instance.delete_dynamic_partition("accounts", name)
    return found


def due_now(context: dg.ScheduleEvaluationContext, found: list[FleetAccount]) -> list[FleetAccount]:
    """Returns the accounts that are due at this minute or to be retried, and are not being synced."""
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
    """Whether a failed account is synced again before its next period.

    A first failure in a run of several accounts is retried at once, in the account's own run, which then shows it.
    Other failures are retried after the wait. Where a person has to fix something first, or the retries are spent, the
    wait is an hour.
    """
    status = status_of(account)
    if not status.failed_in_a_row or not status.ended:
        return False
    if status.failed_in_a_row == 1 and not _had_its_own_run(context, account, status):
        return True
    options = settings()
    may_help = status.failed_in_a_row <= options.retries and not status.last.lasting
    wait = options.retry_after * 2 ** (status.failed_in_a_row - 1) if may_help else LONGEST_WAIT
    now: datetime = context.scheduled_execution_time
    return now >= _ended(status) + timedelta(seconds=min(wait, LONGEST_WAIT))


def _had_its_own_run(context: dg.ScheduleEvaluationContext, account: FleetAccount, status: Status) -> bool:
    """Whether the last sync was in the account's own run, or such a run came after it."""
    [*newest] = context.instance.get_run_records(dg.RunsFilter(tags={PARTITION: account.name}), limit=1)
    return bool(newest) and (newest[0].end_time or newest[0].create_timestamp.timestamp()) >= _ended(status).timestamp()


def _ended(status: Status) -> datetime:
    return datetime.fromisoformat((status.ended or "").replace("Z", "+00:00"))


def _minute(context: dg.ScheduleEvaluationContext) -> str:
    return f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}"


def integration(account: FleetAccount) -> str:
    """Returns the account's integration, or its name if its config cannot be read; its sync will report that."""
    try:
        return account.integration
    except ConfigFileError:
        return account.name


def under_way(instance: dg.DagsterInstance) -> set[str]:
    """Returns the names of the accounts in unfinished runs."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
    return {name for run in runs for name in names_of(run)}


def names_of(run: dg.DagsterRun) -> list[str]:
    """Returns the names of the accounts that a run syncs."""
    if partition := run.tags.get(PARTITION):
        return [partition]
    ops: Any = run.run_config.get("ops", {})
    return list(ops.get(accounts_in_one_run.name, {}).get("config", {}).get("names", []))


models_schedule = dg.ScheduleDefinition(
    name="models_once_a_period",
    job=models_job,
    cron_schedule="0 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


digest_schedule = dg.ScheduleDefinition(
    name="digest_by_its_cron",
    job=digest_job,
    cron_schedule=settings().digest,
    default_status=dg.DefaultScheduleStatus.RUNNING if settings().notify else dg.DefaultScheduleStatus.STOPPED,
)


verify_schedule = dg.ScheduleDefinition(
    name="verified_once_a_week",
    job=verify_job,
    cron_schedule=settings().verify,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.run_failure_sensor(
    monitored_jobs=[sync_job, sync_several, models_job, digest_job, verify_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
)
def tell(context: dg.RunFailureSensorContext) -> None:
    """Logs one line with the account's name, and passes the same as JSON to the command of ALERT."""
    account = ", ".join(names_of(context.dagster_run)) or {verify_job.name: "verify", digest_job.name: "digest"}.get(
        context.dagster_run.job_name, "models"
    )
    failure = " ".join(_first_cause(event) for event in context.get_step_failure_events())
    failure = failure or context.failure_event.message or "The run failed."
    context.log.error(f"{account}: {failure}")
    _alert(account, failure=failure)


def _log_notices(context: Any, account: FleetAccount, done: LastSync) -> None:
    """Logs and alerts the notices of a sync that did not fail, such as that the account was renamed."""
    for notice in done.notices:
        context.log.warning(f"{account.name}: {notice}")
        _tell(context, account.name, notice=notice)


def _tell(context: Any, account: str, **text: str) -> None:
    try:
        _alert(account, **text)
    except (OSError, subprocess.CalledProcessError) as error:
        context.log.error(f"{account}: the command of ALERT failed: {error}")


def _alert(account: str, **text: str) -> None:
    if alert := settings().alert:
        subprocess.run(alert, input=json.dumps({"account": account, **text}), text=True, check=True)


def _first_cause(event: dg.DagsterEvent) -> str:
    """Returns the message of the first exception in the chain, without Dagster's own around it."""
    error = event.step_failure_data.error
    while error and error.cause:
        error = error.cause
    return error.message.strip().removeprefix("dagster._core.definitions.events.Failure: ") if error else ""


# a process for each step would cost as much as the sync, which is the only step of its run
defs = dg.Definitions(
    executor=dg.in_process_executor,
    assets=[tables, models, published, digests],
    asset_checks=[verified, in_habit],
    jobs=[sync_job, sync_several, models_job, digest_job, verify_job],
    schedules=[each_at_its_minute, failed_or_long, models_schedule, digest_schedule, verify_schedule],
    sensors=[tell],
)
