"""Why a card is missing, or counts as it does: its row in the database, the last syncs, and what amoCRM says of it.

`CAUSES` are tried in order; the first that holds is the answer, with the one command that mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from amocrm_warehouse.database import Run, dicts, parsed_json, quoted_table
from amocrm_warehouse.known_names import nearest_name
from amocrm_warehouse.projects import projects_in
from amocrm_warehouse.table_names import SCHEMA, table_name

Row = dict[str, Any]
KINDS = {
    "deal": ("deals", "lead_id", "lead", "leads"), "contact": ("contacts", "contact_id", "contact", "contacts"),
    "company": ("companies", "company_id", "company", "companies"),
}  # fmt: skip
"""The table of each kind of card, its id, its name in events, and in lists and addresses."""


@dataclass
class Facts:
    """What is known of one card."""

    project: str
    kind: str
    id: int
    tables: set[str] = field(default_factory=set)
    """The streams whose tables the project has."""
    projects: list[str] = field(default_factory=list)
    held: Row = field(default_factory=dict)
    """Its row in the database; empty: it has none."""
    deletion: Row = field(default_factory=dict)
    """The newest event of its deletion or return; empty: there is none."""
    syncs: list[Row] = field(default_factory=list)
    """The last syncs, the newest first."""
    listed_at: datetime | None = None
    """When the ids of all cards of the kind were last read."""
    is_listed: bool = False
    elsewhere: list[str] = field(default_factory=list)
    """Kinds and projects that have a card of this id."""
    marts: datetime | None = None
    """When the marts of the project were built; None: they were not."""
    counted: Row = field(default_factory=dict)
    """Its row in the mart; empty: it has none."""
    rules: list[Row] = field(default_factory=list)
    """Which marts count it and which not, and by which rule."""
    asked: bool = False
    """Whether the account was asked."""
    account: Row = field(default_factory=dict)
    """What the account says of it now; empty: it does not know it, or was not asked."""
    refusal: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> str:
        return KINDS[self.kind][0]

    @property
    def synced_at(self) -> datetime | None:
        return next((sync["started_at"] for sync in self.syncs if sync["ended_well"]), None)

    @property
    def failure(self) -> str:
        """What the last sync says of the table, if it failed there."""
        failures = parsed_json(self.syncs[0]["failures"]) if self.syncs else []
        named = [str(one) for one in failures or [] if self.table in str(one)]
        return named[0] if named else ""


def is_newer(moment: Any, than: Any) -> bool:
    return moment is not None and than is not None and utc(moment) > utc(than)


def utc(moment: Any) -> datetime:
    if isinstance(moment, int | float):
        return datetime.fromtimestamp(moment, timezone.utc)
    found = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def said(moment: Any) -> str:
    return f"{utc(moment):%Y-%m-%d %H:%M} UTC" if moment is not None else "an unknown time"


class Cause(NamedTuple):
    """`why` and `mend` (a verb with its options) are templates of the words of `words_of`."""

    name: str
    holds: Callable[[Facts], Any]
    why: str
    mend: str


SYNC = "sync --config config.json {to} --project {project}"
REFRESH, VERIFY = f"{SYNC} --refresh {{table}}", "verify --config config.json {to} --project {project}"
MODELS, CHECK = "models {to}", "check --config config.json"
ASK = "why --project {project} {kind} {id} {to} --config config.json"
FAULT = "this is a fault. Please report it with what verify says; reading the table again brings it."


def is_live(f: Facts) -> bool:
    return bool(f.held) and not f.held["is_deleted"]


def is_gone(f: Facts) -> bool:
    if f.deletion:
        return bool(f.deletion["deleted_at"] and not f.deletion["restored_at"])
    return bool(f.held and f.held["is_deleted"])


def in_trash(f: Facts) -> bool:
    return bool(f.account.get("is_deleted"))


def changed_in_account(f: Facts, than: Any) -> bool:
    return is_newer(f.account.get("updated_at"), than)


def synced_after_build(f: Facts) -> bool:
    return bool(f.syncs) and is_newer(f.syncs[0]["ended_at"], f.marts)


def meant(f: Facts) -> str:
    """Returns the project that was probably meant: that with the nearest name, or the only one there; else nothing."""
    return nearest_name(f.project, f.projects) or (f.projects[0] if len(f.projects) == 1 else "")


CAUSES = (
    Cause("other_project", lambda f: not f.tables and meant(f),
          "There are no tables of the project {project}. Did you mean {meant}? The database has: {projects}. If the "
          "name is right, read it first: source-amocrm sync --project {project}.",
          "why --project {meant} {kind} {id} {to}"),
    Cause("never_synced", lambda f: not f.tables,
          "There are no tables of the project {project}. The database has: {projects}.{twice}", SYNC),
    Cause("refused", lambda f: f.refusal, "The account cannot be asked: {refusal}", CHECK),
    Cause("table_failed", lambda f: not is_live(f) and not is_gone(f) and f.failure,
          "The last sync did not read {table} to its end: {failure}", SYNC),
    Cause("table_never_read", lambda f: f.table not in f.tables,
          "The table {table} was never read: it was left out (--without), or was refused.", SYNC),
    Cause("first_sync_unfinished", lambda f: not f.held and not f.synced_at,
          "The first sync has not ended yet: cards are still missing.", SYNC),
    Cause("deletions_ignored", lambda f: is_live(f) and f.asked and (not f.account or in_trash(f))
          and f.settings.get("deleted_rows") == "ignore",
          "It was deleted in amoCRM, or merged, and this config does not look for deletions. Set deleted_rows to mark.",
          REFRESH),
    Cause("restored_since", lambda f: f.held and f.held["is_deleted"] and (
        (f.account and not in_trash(f)) or f.deletion.get("restored_at")),
          "It was taken out of amoCRM's trash, and the database does not know that yet. If this does not bring it, "
          "amoCRM has told of it by no event: then sync with --refresh {table}.", SYNC),
    Cause("deleted", lambda f: is_gone(f) and not (f.account and not in_trash(f)),
          "It was deleted in amoCRM at {deleted_at} by user {deleted_by}: only deals count it, as deleted, and amoCRM "
          "gives nobody its values any more. If that was a mistake, restore it in amoCRM's trash; then sync.", SYNC),
    Cause("merged", lambda f: is_live(f) and f.listed_at and not f.is_listed and not f.account
          and is_newer(f.listed_at, f.held.get("_airbyte_extracted_at")),
          "It left amoCRM without an event: it was merged into another card. The list of what exists, of {listed}, "
          "does not have it, so marts leave it out. The card that it went into has its links.", MODELS),
    Cause("gone_since", lambda f: is_live(f) and f.asked and (not f.account or in_trash(f)),
          "It was deleted in amoCRM, or merged into another card, since the last sync, of {synced}.", SYNC),
    Cause("unsorted", lambda f: not f.held and f.account.get("is_unsorted"),
          "It waits in «Неразобранное»: lists do not show it until somebody accepts it.", SYNC),
    Cause("trashed_before", lambda f: not f.held and in_trash(f),
          "It was in amoCRM's trash before the first sync: amoCRM lists its id alone.", VERIFY),
    Cause("before_start_date", lambda f: not f.held and f.account and f.settings.get("start_date")
          and is_newer(f.settings["start_date"], f.account["updated_at"]),
          "It was last changed at {account_changed}, before start_date ({start_date}). Move start_date back in the "
          "config, then read the table again.", REFRESH),
    Cause("created_since", lambda f: not f.held and is_newer(f.account.get("created_at"), f.synced_at),
          "It was created at {account_created}, after the last sync, of {synced}.", SYNC),
    Cause("changed_and_missing", lambda f: not f.held and changed_in_account(f, f.synced_at),
          "It was changed at {account_changed}, after the last sync, of {synced}, and was not read before.", SYNC),
    Cause("missed", lambda f: not f.held and f.account,
          "The account has it, and the syncs since its last change, at {account_changed}, did not bring it. If the "
          f"token's user may see it only since then, read the table again. Else {FAULT}",
          REFRESH),
    Cause("another_card", lambda f: not f.held and f.elsewhere,
          "There is no {kind} {id} in {project}, but {elsewhere} has this id.", ASK),
    Cause("unknown_to_account", lambda f: not f.held and f.asked,
          "Neither the database nor the account knows a {kind} {id}: it never was, or left before the first sync.",
          VERIFY),
    Cause("never_read", lambda f: not f.held,
          "The database has no {kind} {id}. With --config the account itself is asked about it.", ASK),
    Cause("changed_since", lambda f: changed_in_account(f, f.held["updated_at"]) and changed_in_account(f, f.synced_at),
          "It was changed in amoCRM at {account_changed}, after the last sync, of {synced}: the database has it as of "
          "{held_changed}.", SYNC),
    Cause("stale", lambda f: changed_in_account(f, f.held["updated_at"]),
          f"The database has it as of {{held_changed}}, the account as of {{account_changed}}: {FAULT}",
          REFRESH),
    Cause("no_marts", lambda f: f.marts is None, "The database has it, and no marts of {project} were built.", MODELS),
    Cause("built_before", lambda f: not f.counted and synced_after_build(f),
          "The database has it, and the marts are older than the last sync: they were built at {marts}.", MODELS),
    Cause("not_in_marts", lambda f: not f.counted,
          "The database has it, and the marts, which are newer, do not: build them again.", MODELS),
    Cause("marts_are_older", lambda f: is_newer(f.held["updated_at"], f.counted["updated_at"]),
          "The database has it as of {held_changed}, the marts as of earlier: they were built at {marts}.", MODELS),
    Cause("counted", bool, "The database and the marts have it, as of {held_changed}.", VERIFY),
)  # fmt: skip
"""Why a card is not where it is looked for. The last one is of a card that is."""


def words_of(f: Facts, database: str) -> dict[str, Any]:
    """Returns the words of the templates."""
    return {
        "project": f.project, "kind": f.kind, "id": f.id, "table": f.table, "failure": f.failure, "refusal": f.refusal,
        "twice": " If the account is one of these, ask by that name: under a second name it would be copied and "
        "counted twice." if f.projects else "",
        "meant": meant(f), "projects": ", ".join(f.projects) or "none",
        "elsewhere": ", ".join(f.elsewhere), "synced": said(f.synced_at), "listed": said(f.listed_at),
        "deleted_at": said(f.deletion.get("deleted_at") or f.held.get("updated_at")),
        "deleted_by": f.deletion.get("created_by", f.held.get("updated_by")),
        "start_date": f.settings.get("start_date"),
        "account_changed": said(f.account.get("updated_at")), "account_created": said(f.account.get("created_at")),
        "held_changed": said(f.held.get("updated_at")), "marts": said(f.marts),
        "to": f"--to {database}" if database else "",
    }  # fmt: skip


def diagnosis(f: Facts, database: str = "") -> Row:
    """Returns the cause, the command that mends it, and what it was told from."""
    cause, words = next(cause for cause in CAUSES if cause.holds(f)), words_of(f, database)
    return {
        "cause": cause.name, "why": cause.why.format(**words),
        "mend": " ".join(f"source-amocrm {cause.mend.format(**words)}".split()),
        "in_database": {"updated_at": words["held_changed"], "is_deleted": bool(f.held["is_deleted"]),
                        "read_at": said(f.held.get("_airbyte_extracted_at"))} if f.held else None,
        "in_account": {name: f.account.get(name) for name in ("updated_at", "created_at", "is_deleted")}
        if f.account else "unknown to it" if f.asked and not f.refusal else "not asked",
        "syncs": [{"started_at": said(one["started_at"]), "ended_well": one["ended_well"], "rows": one["rows"]}
                  for one in f.syncs[:3]],
        "marts_built_at": said(f.marts) if f.marts else None, "rules": f.rules,
    }  # fmt: skip


def read_facts(run: Run, project: str, kind: str, number: int, schema: str = SCHEMA) -> Facts:
    """Returns what the database holds of a card."""
    facts = Facts(project, kind, number)
    names = {f"{of}.{table}" for of, table in run("select table_schema, table_name from information_schema.tables")[1]}
    facts.projects = projects_in(names, schema)
    prefix = f"{schema}.{table_name(project)}"
    facts.tables = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    def rows(stream: str, where: str, **values: Any) -> list[Row]:
        if stream not in facts.tables:
            return []
        return dicts(run, f"select * from {quoted_table(run, schema, table_name(project, stream))} {where}", **values)

    table, column, event, listed = KINDS[kind]
    facts.held = next(iter(rows(table, f"where {column} = $id", id=number)), {})
    facts.syncs = rows("syncs", "order by started_at desc limit 5")
    deletions = rows("deleted_entities", "where entity_type = $type and entity_id = $id order by created_at desc",
                     type=event, id=number)  # fmt: skip
    newest = [one for one in deletions if one["created_at"] == deletions[0]["created_at"]]
    # a card may be deleted and restored within one second: its row shows which came last
    facts.deletion = min(newest, key=lambda one: bool(one["restored_at"]) == facts.held.get("is_deleted"), default={})
    of_kind = rows("live_entities", "where entity_type = $type order by listed_at desc limit 1", type=listed)
    facts.listed_at = of_kind[0]["listed_at"] if of_kind else None
    facts.is_listed = bool(
        rows("live_entities", "where entity_type = $type and entity_id = $id", type=listed, id=number)
    )
    if not facts.held:
        facts.elsewhere = list(_elsewhere(run, facts, rows, schema))
    _read_marts(run, facts, names)
    return facts


def _elsewhere(run: Run, f: Facts, rows: Callable[..., list[Row]], schema: str) -> Iterator[str]:
    for kind, (table, column, *_) in KINDS.items():
        if kind != f.kind and rows(table, f"where {column} = $id", id=f.id):
            yield f"a {kind} of {f.project}"
    for project in f.projects:
        name = table_name(project, f.table)
        if project != f.project and run(IS_THERE, name=name)[1][0][0]:
            held = f"select count(*) from {quoted_table(run, schema, name)} where {KINDS[f.kind][1]} = $id"
            if run(held, id=f.id)[1][0][0]:
                yield f"a {f.kind} of the project {project}"


IS_THERE = "select count(*) from information_schema.tables where table_name = $name"


def _read_marts(run: Run, f: Facts, names: set[str]) -> None:
    if not any(name.endswith(".freshness") for name in names):
        return
    f.marts = run("select max(built_at) from amocrm_marts.freshness where project_id = $project", project=f.project)[1][
        0
    ][0]
    if f.marts is None:
        return
    columns, found = run(
        f"select * from amocrm_marts.{f.table} where project_id = $project and {f.kind}_id = $id",
        project=f.project, id=f.id,
    )  # fmt: skip
    f.counted = dict(zip(columns, found[0], strict=True)) if found else {}
    if f.counted and f.kind == "deal":
        f.rules = list(_rules(run, f, f.counted))


def _rules(run: Run, f: Facts, deal: Row) -> Iterator[Row]:
    """Yields which marts count a deal and which not, each with its rule."""

    def rule(mart: str, counts: bool, why: str) -> Row:
        return {"mart": mart, "counts": counts, "rule": why}

    kind, since = deal["stage_kind"], deal["in_stage_since_local"]
    closed = deal["closed_at_local"] or since
    if deal["is_deleted"]:
        yield rule("deals", True, "as deleted: no sum counts a deleted deal")
        return
    yield rule("deals", True, f"{kind}, in the stage {deal['status_name'] or deal['status_id']}")
    if kind in ("won", "lost"):
        month = f"{closed:%Y-%m}" if closed else "no month: when it was closed is unknown"
        by_utc = f"{deal['closed_at']:%Y-%m}" if deal["closed_at"] else month
        other = f", not in {by_utc}, as UTC would have it" if by_utc != month else ""
        moment = f"{closed:%Y-%m-%d %H:%M}" if closed else "an unknown time"
        how = "" if deal["closed_at"] else " (by its move: amoCRM has no closing date)"
        yield rule("sales" if kind == "won" else "lost_deals", True,
                   f"in {month}{other}: closed on {moment} by the account's clock{how}")  # fmt: skip
        if deal["closer_id"] is not None and deal["closer_id"] != deal["responsible_user_id"]:
            yield rule("sales of the present user", False, f"it belongs to {deal['closer_name']}, who was responsible "
                       f"at closing, not to {deal['responsible_name']}")  # fmt: skip
    if kind != "won":
        dated = ", though it has a closing date" if kind != "lost" and deal["closed_at"] else ""
        yield rule("sales", False, f"it is {kind} now{dated}")
    if deal["budget"] is None:
        yield rule("sums of money", False, "it has no budget: it counts as a deal, and adds nothing")
    if deal["status_name"] is None:
        yield rule("stages by name", False, "the account no longer has its stage, so the stage is named by its number")
    users = run("select count(*) from amocrm_staging.stg_users where project_id = $project and user_id = $user",
                project=f.project, user=deal["responsible_user_id"])[1][0][0]  # fmt: skip
    if deal["responsible_user_id"] is None:
        yield rule("managers by name", False, "it has no responsible user")
    elif not users:
        yield rule("managers by name", False, "the account no longer has its responsible user, who is named by number")
    for mart, key, why, why_not in (
        ("stale_deals", "deal_id = $id", "it is silent for long, and no task is to come",
         "it is not silent for long, or a task is to come"),
        ("today", "entity_id = $id and entity_type = 'deal'", "it waits for somebody", "nobody has to answer it today"),
    ):  # fmt: skip
        sql = f"select count(*) from amocrm_marts.{mart} where project_id = $project and {key}"
        if run(sql, project=f.project, id=f.id)[1][0][0]:
            yield rule(mart, True, why)
        else:
            yield rule(mart, False, why_not if kind in ("open", "unsorted") else f"it is {kind}")
