"""What Dagster runs: a partition an account, synced once a period, each at its own minute; the models after them."""

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime

import dagster as dg

from fleet.settings import Settings, settings
from source_amocrm.accounts.account import Account
from source_amocrm.accounts.folder import accounts
from source_amocrm.accounts.locks import folder_held
from source_amocrm.fleet.status import status_of
from source_amocrm.fleet.syncing import sync

ACCOUNTS = dg.DynamicPartitionsDefinition(name="accounts")
INTEGRATION = "amocrm/integration"
"""The tag by which dagster.yaml limits how many accounts of one integration are synced at a time."""
GIVEN = settings()
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.asset(
    partitions_def=ACCOUNTS,
    retry_policy=dg.RetryPolicy(
        max_retries=GIVEN.retries, delay=GIVEN.wait, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
    ),
)
def tables(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The tables of one account, brought up to date by a process of its own."""
    given = settings()
    with folder_held(given.folder, given.fleet):
        [account] = accounts(given.folder, [context.partition_key])
        outcome = sync(account, given.loader)
    if outcome.failures:
        raise dg.Failure(" ".join(outcome.failures), metadata={"account": account.name, "failures": outcome.failures})
    return dg.MaterializeResult(metadata={"rows": outcome.rows, "seconds": outcome.seconds})


@dg.asset(deps=[tables])
def models() -> dg.MaterializeResult:
    """The marts of models/, over every account that has been read."""
    given = settings()
    ready = [account for account in given.accounts() if status_of(account).succeeded]
    for database, some in _databases(given, ready):
        command = [str(given.loader.python), "-m", "demo.models", "--project", ",".join(one.project for one in some)]
        environment = given.loader.environment(some[0])
        done = subprocess.run(command, cwd=given.loader.checkout, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise dg.Failure(f"The models over {database} failed: {done.stderr.strip()}")
    return dg.MaterializeResult(metadata={"accounts": len(ready)})


def _databases(given: Settings, ready: list[Account]) -> Iterator[tuple[str, list[Account]]]:
    """Each database, and the accounts that are in it."""
    if "{name}" in given.database:
        yield from ((given.database.replace("{name}", account.name), [account]) for account in ready)
    elif ready:
        yield "all accounts", ready


sync_job = dg.define_asset_job("sync", [tables])
models_job = dg.define_asset_job("build_models", [models])


@dg.schedule(job=sync_job, cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def each_at_its_minute(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Accounts come and go with the folder; one that is still being synced is left alone."""
    given = settings()
    found = {account.name: account for account in given.accounts()}
    known = set(context.instance.get_dynamic_partitions("accounts"))
    if added := sorted(found.keys() - known):
        context.instance.add_dynamic_partitions("accounts", added)
    for name in known - found.keys():
        context.instance.delete_dynamic_partition("accounts", name)
    now = context.scheduled_execution_time
    due = [account for account in found.values() if is_due(account, now, given.period)]
    if not due:
        yield dg.SkipReason(f"No account has the minute {now:%H:%M}.")
    for account in due:
        if under_way(context.instance, account):
            context.log.warning(f"{account.name} is still being synced, and is left out at {now:%H:%M}.")
            continue
        yield dg.RunRequest(
            run_key=f"{account.name} {now:%Y-%m-%dT%H:%M}",
            partition_key=account.name,
            tags={INTEGRATION: account.integration},
        )


def is_due(account: Account, moment: datetime, period: int) -> bool:
    """Whether its minute of the period, which its name alone decides, is now."""
    return (moment.hour * 60 + moment.minute) % period == account.spread(period)


def under_way(instance: dg.DagsterInstance, account: Account) -> bool:
    of_account = dg.RunsFilter(statuses=UNDER_WAY, tags={"dagster/partition": account.name})
    return bool(instance.get_run_ids(of_account, limit=1))


after_them = dg.ScheduleDefinition(
    name="models_once_a_period",
    job=models_job,
    cron_schedule="0 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.run_failure_sensor(
    monitored_jobs=[sync_job, models_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
)
def tell(context: dg.RunFailureSensorContext) -> None:
    """One line in the log by the account's name, and the command of ALERT, which gets the same as JSON."""
    account = context.dagster_run.tags.get("dagster/partition", "models")
    said = " ".join(_first_cause(event) for event in context.get_step_failure_events())
    said = said or context.failure_event.message or "The run failed."
    context.log.error(f"{account}: {said}")
    if alert := settings().alert:
        subprocess.run(alert, input=json.dumps({"account": account, "failure": said}), text=True, check=True)


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
    jobs=[sync_job, models_job],
    schedules=[each_at_its_minute, after_them],
    sensors=[tell],
)
