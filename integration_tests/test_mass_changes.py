"""Mass changes among daily work, in DuckDB and PostgreSQL: how many cards, what is news, and what undoes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sandbox import Account, ManualClock, Sandbox, writes
from testing import forked, models, postgres
from testing.connector import messages
from testing.destination import Destination
from testing.models import Row
from testing.warehouse import query

ANNA, IVAN, ROBOT = 100_001, 100_002, 0
NOW = "2026-12-01T12:00:00"
NOON = datetime(2026, 11, 30, 12)
NEW, TALK, WON = 11, 12, 142
FIELD = 700
STREAMS = [
    "account", "users", "statuses", "deals", "events", "deal_statuses", "deal_responsible_changes",
    "deal_sale_changes", "deal_field_changes", "deal_tags", "custom_fields_deals", "deleted_entities",
]  # fmt: skip
Ask = Callable[[str], list[Row]]


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def move(card: int, at: datetime, by: int, before: int | None = NEW, after: int = TALK) -> Row:
    return {
        "note_id": f"{at:%m%d%H%M%S} {card}", "lead_id": card, "created_at": moment(at), "created_by": by,
        "pipeline_id_old": 1 if before else None, "status_old": before, "pipeline_id_new": 1, "status_new": after,
    }  # fmt: skip


def event(kind: str, entity: str, card: int, at: datetime, by: int, **values: Any) -> Row:
    return {
        "event_id": f"{kind} {at:%m%d%H%M%S} {card}", "type": kind, "entity_type": entity, "entity_id": card,
        "created_at": moment(at), "created_by": by, "value_before": [], "value_after": [], **values,
    }  # fmt: skip


def account() -> dict[str, list[Row]]:
    """Bursts of 30 and 20 deals, 19 that are none, a robot of every night, and ordinary work beside them."""
    at = [NOON + timedelta(seconds=second) for second in range(7200)]
    moves = [move(card, at[card // 10], IVAN) for card in range(1, 31)]
    moves += [move(card, at[100 + card], ANNA) for card in range(101, 120)]  # 19 cards
    moves += [move(200 + n, at[300 + 61 * n], ANNA, TALK, NEW) for n in range(25)]  # more than a minute apart
    moves += [move(5, at[3600], ANNA, TALK, WON)]  # goes on with a card of the burst
    moves += [move(2, at[20], IVAN, TALK, WON)]  # a card that the burst moves twice
    nights = [NOON.replace(hour=2) - timedelta(days=night) for night in range(30)]
    fields: list[Row] = [
        {
            "event_id": f"field {night:%m%d} {card}", "lead_id": card, "custom_field_id": FIELD, "created_by": ROBOT,
            "created_at": moment(night), "value_old": None, "value_new": f"{night:%d.%m}", "enums_old": [],
            "enums_new": [],
        }
        for night in nights
        for card in range(1, 26)
    ]  # fmt: skip
    tags = [
        event("entity_tag_added", "contact", card, at[card], IVAN,
              value_after=[{"tag": {"name": "Акция"}}, {"tag": {"name": "Осень"}}])
        for card in range(20)
    ]  # fmt: skip
    gone = [event("lead_deleted", "lead", 300 + card, at[500], IVAN) for card in range(22)]
    deals: list[Row] = [
        {
            "lead_id": card, "name": f"Сделка {card}", "created_at": "2026-10-01T00:00:00Z", "updated_at": moment(NOON),
            "pipeline_id": 1, "status_id": {5: WON, 2: WON}.get(card, TALK), "responsible_user_id": IVAN,
            "sale": 10 * card,
        }
        for card in range(1, 250)
    ]  # fmt: skip
    zone = {"datetime_settings": {"timezone": "Europe/Moscow"}, "invoices_settings": {"currency": "RUB"}}
    names = {NEW: "Новая", TALK: "Переговоры", WON: "Успешно реализовано"}
    return {
        "account": [{"account_id": 1, "name": "Ромашка", **zone}],
        "users": [{"user_id": ANNA, "name": "Анна"}, {"user_id": IVAN, "name": "Иван"}],
        "statuses": [
            {"pipeline_id": 1, "pipeline_name": "Продажи", "status_id": own, "status_name": name, "status_sort": own}
            for own, name in names.items()
        ],
        "deals": deals,
        "deal_statuses": moves,
        "deal_sale_changes": [],
        "deal_responsible_changes": [],
        "deal_field_changes": fields,
        "custom_fields_deals": [],
        "contacts": [],
        "deleted_entities": [],
        "events": tags + gone,
    }  # fmt: skip


def drawn() -> dict[str, list[Row]]:
    """Moves of four authors at random: crowds and pauses of any length, cards that come again."""
    chance, at, moves = Random(7), NOON - timedelta(days=20), []
    for number in range(3000):
        at += timedelta(seconds=chance.choice((*[0] * 60, *[1] * 20, 30, 60, 61, 120, 4000)))
        row = move(
            chance.randint(1, 120), at, chance.choice((ANNA, IVAN, IVAN, IVAN, ROBOT)), chance.choice((NEW, None))
        )
        moves.append(row | {"note_id": f"{number:05}"})
    return account() | {"deal_statuses": moves, "deal_field_changes": [], "events": []}


def put_off() -> dict[str, list[Row]]:
    """Tasks whose deadline was put off by two days at once, of one of which the new deadline is no moment."""
    events = [
        event(
            "task_deadline_changed", "task", card, NOON, ANNA,
            value_before=[{"task_deadline": {"timestamp": int(NOON.timestamp())}}],
            value_after=[{"task_deadline": {"timestamp": "soon" if card == 1 else int(NOON.timestamp()) + 2 * 86_400}}],
        )
        for card in range(1, 26)
    ]  # fmt: skip
    return account() | {"deal_statuses": [], "deal_field_changes": [], "events": events}


def named() -> dict[str, list[Row]]:
    """Tasks of another type at once, of types that are there, were there, and that nobody knows; and customers."""

    def values(part: str, before: int, after: int) -> dict[str, Any]:
        return {"value_before": [{part: {"id": before}}], "value_after": [{part: {"id": after}}]}

    types = [
        event("task_type_changed", "task", card, NOON, ANNA, **values("task_type", 2 if card > 1 else 9, 1))
        for card in range(1, 21)
    ]
    stages = [
        event("customer_status_changed", "customer", card, NOON, ANNA, **values("customer_status", 5, 6))
        for card in range(1, 21)
    ]
    seen = {"first_seen_at": "2026-01-01T00:00:00Z"}
    return account() | {
        "deal_statuses": [],
        "deal_field_changes": [],
        "events": types + stages,
        "task_types": [{"task_type_id": 1, "name": "Связаться"}],
        "names": [
            {
                "source_table": "task_types",
                "parent": "",
                "id": 2,
                "name": "Встреча",
                "gone_at": "2026-02-01T00:00:00Z",
                **seen,
            },
            {"source_table": "customer_statuses", "parent": "", "id": 5, "name": "Новый", **seen},
        ],
    }


def bursts(moves: list[Row]) -> list[Row]:
    """The same mass changes by going through the moves one after another."""
    found: list[list[Row]] = []
    for author in (ANNA, IVAN, ROBOT):
        own = sorted((row for row in moves if row["created_by"] == author), key=lambda row: row["note_id"])
        for before, row in zip([None, *own], own, strict=False):
            moments = [datetime.fromisoformat(one["created_at"]) for one in (before, row) if one]
            if moments[-1] - moments[0] > timedelta(seconds=60) or before is None:
                found.append([])
            found[-1].append(row)
    return [
        {
            "change_id": rows[0]["note_id"], "author_id": rows[0]["created_by"],
            "first_changed_at": f"{datetime.fromisoformat(rows[0]['created_at']):%Y-%m-%d %H:%M:%S}",
            "last_changed_at": f"{datetime.fromisoformat(rows[-1]['created_at']):%Y-%m-%d %H:%M:%S}",
            "cards": len({row["lead_id"] for row in rows}),
        }
        for rows in found
        if len({row["lead_id"] for row in rows}) >= 20
    ]  # fmt: skip


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        file = str(tmp_path_factory.mktemp("mass") / "crm.duckdb")
        found = {"duckdb": file, "postgres": stack.enter_context(postgres.server())}
        for flavour, database in found.items():
            models.store(database, "1001", account(), flavour)
            models.store(database, "1002", drawn(), flavour)
            models.store(database, "1003", put_off(), flavour)
            models.store(database, "1004", named(), flavour)
            models.build(database, "--now", NOW)
        yield found


@pytest.fixture(params=["duckdb", "postgres"])
def ask(request: pytest.FixtureRequest, databases: dict[str, str]) -> Iterator[Ask]:
    with models.asking(databases[request.param]) as found:
        yield found


def test_a_mass_change_is_of_twenty_cards_within_a_minute_of_each_other(ask: Ask) -> None:
    columns = "kind, entity_type, author_name, first_changed_at, last_changed_at, cards, money, is_news"
    assert ask(
        f"SELECT {columns} FROM amocrm_marts.mass_changes WHERE author_id <> 0 AND project_id = '1001' ORDER BY kind"
    ) == [
        {
            "kind": "deleted", "entity_type": "deal", "author_name": "Иван", "first_changed_at": "2026-11-30 12:08:20",
            "last_changed_at": "2026-11-30 12:08:20", "cards": 22, "money": None, "is_news": True,
        },
        {
            "kind": "stage", "entity_type": "deal", "author_name": "Иван", "first_changed_at": "2026-11-30 12:00:00",
            "last_changed_at": "2026-11-30 12:00:20", "cards": 30, "money": 4650, "is_news": True,
        },
        {
            "kind": "tag", "entity_type": "contact", "author_name": "Иван", "first_changed_at": "2026-11-30 12:00:00",
            "last_changed_at": "2026-11-30 12:00:19", "cards": 20, "money": None, "is_news": True,
        },
    ]  # fmt: skip


def test_the_digest_has_a_line_about_what_is_news_since_yesterday(databases: dict[str, str]) -> None:
    def line(language: str, beginning: str) -> str:
        done = forked.run(["report", "--digest", "--built", "--language", language], {"DB": databases["duckdb"]})
        assert done.returncode == 0, done.stderr
        return next(line for line in done.stdout.splitlines() if line.startswith(beginning))  # of 1001, which is first

    assert line("ru", "Изменено разом") == (
        "Изменено разом: Иван, этап, карточек: 30 (30.11.2026, 15:00), и ещё таких: 2; вернуть: source-amocrm changes"
    )
    assert line("en", "Changed at once") == (
        "Changed at once: Иван, stage, cards: 30 (2026-11-30, 15:00), and 2 more; how to put it back: source-amocrm "
        "changes"
    )


def test_at_random_the_mass_changes_are_those_of_a_walk_through_the_moves(ask: Ask) -> None:
    found = ask(
        "SELECT change_id, author_id, first_changed_at, last_changed_at, cards FROM amocrm_marts.mass_changes "
        "WHERE project_id = '1002'"
    )
    wanted = bursts(drawn()["deal_statuses"])
    assert len(wanted) > 20
    assert sorted(found, key=lambda row: row["change_id"]) == sorted(wanted, key=lambda row: row["change_id"])


def test_what_a_robot_does_every_night_is_habit(ask: Ask) -> None:
    found = ask(
        "SELECT first_changed_at, author_name, cards, usual_cards, is_news FROM amocrm_marts.mass_changes "
        "WHERE kind = 'field' ORDER BY 1"
    )
    assert len(found) == 30
    assert found[0] == {
        "first_changed_at": "2026-11-01 02:00:00", "author_name": "robot", "cards": 25, "usual_cards": 0,
        "is_news": True,
    }  # fmt: skip
    assert {(row["usual_cards"], row["is_news"]) for row in found[1:]} == {(25, False)}


def test_cards_have_the_values_before_and_after_by_name_and_say_what_was_changed_since(ask: Ask) -> None:
    found = ask(
        "SELECT entity_id, name, before, after, key_before, is_changed_since FROM amocrm_marts.mass_change_cards "
        "WHERE project_id = '1001' AND kind = 'stage' AND entity_id IN (1, 2, 5) ORDER BY 1"
    )
    new, won = {"before": "Продажи / Новая", "key_before": "1:11"}, "Продажи / Успешно реализовано"
    assert found == [
        {"entity_id": 1, "name": "Сделка 1", "after": "Продажи / Переговоры", "is_changed_since": False, **new},
        {"entity_id": 2, "name": "Сделка 2", "after": won, "is_changed_since": False, **new},
        {"entity_id": 5, "name": "Сделка 5", "after": "Продажи / Переговоры", "is_changed_since": True, **new},
    ]  # fmt: skip
    assert ask("SELECT DISTINCT before, after FROM amocrm_marts.mass_change_cards WHERE kind = 'tag'") == [
        {"before": None, "after": "Акция, Осень"}
    ]


def test_a_deadline_is_a_moment_by_the_clock_of_the_account(ask: Ask) -> None:
    assert ask(
        "SELECT before, after, count(*) AS cards FROM amocrm_marts.mass_change_cards WHERE project_id = '1003' "
        "GROUP BY before, after ORDER BY cards"
    ) == [
        {"before": "2026-11-30 15:00", "after": "soon", "cards": 1},
        {"before": "2026-11-30 15:00", "after": "2026-12-02 15:00", "cards": 24},
    ]  # fmt: skip


def test_types_of_tasks_and_stages_of_customers_have_the_names_that_are_known(ask: Ask) -> None:
    assert ask(
        "SELECT kind, before, after, count(*) AS cards FROM amocrm_marts.mass_change_cards WHERE project_id = '1004' "
        "GROUP BY kind, before, after ORDER BY kind, cards"
    ) == [
        {"kind": "stage", "before": "Новый", "after": "6", "cards": 20},
        {"kind": "task", "before": "9", "after": "Связаться", "cards": 1},
        {"kind": "task", "before": "Встреча", "after": "Связаться", "cards": 19},
    ]


def test_the_command_says_from_which_deadline_to_which(databases: dict[str, str]) -> None:
    done = forked.run(["changes", "--built", "--project", "1003"], {"DB": databases["duckdb"]})
    assert done.stdout == (
        "2026-11-30 15:00:00  Анна: task, 25 cards (task)\n    2026-11-30 15:00 → 2026-12-02 15:00: 24\n"
        "    2026-11-30 15:00 → soon: 1\n"
    )


def test_the_command_says_who_changed_what_in_json(databases: dict[str, str]) -> None:
    chosen = ["--project", "1001", "--by", "иван", "--since", "2026-11-30", "--kind", "stage"]
    done = forked.run(["changes", "--built", "--json", *chosen], {"DB": databases["duckdb"]})
    assert (done.returncode, done.stderr) == (0, "")
    talks = {"before": "Продажи / Новая", "after": "Продажи / Переговоры", "cards": 29}
    won = {"before": "Продажи / Новая", "after": "Продажи / Успешно реализовано", "cards": 1}
    assert json.loads(done.stdout) == {
        "changes": [
            {
                "project": "1001", "kind": "stage", "field": None, "began": "2026-11-30T12:00:00Z",
                "ended": "2026-11-30T12:00:20Z", "author_id": IVAN, "author": "Иван", "entity_type": "deal",
                "cards": 30, "money": 4650, "currency": "RUB", "usual_cards": 0.0, "is_news": True,
                "pairs": [talks, won],
                "of_other_pairs": 0,
            }
        ]
    }  # fmt: skip


def test_the_command_prints_a_line_a_change_and_names_a_wrong_author(databases: dict[str, str]) -> None:
    deleted = forked.run(["changes", "--built", "--project", "1001", "--kind", "deleted"], {"DB": databases["duckdb"]})
    assert deleted.stdout == "2026-11-30 15:08:20  Иван: deleted, 22 cards (deal)\n"
    wrong = forked.run(["changes", "--built", "--project", "1001", "--by", "Пётр"], {"DB": databases["duckdb"]})
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "There is no author of mass changes “Пётр”. There are: Иван, robot.\n"


def parts(account: Account) -> dict[int, tuple[Any, ...]]:
    """What an undo gives back of each deal."""
    return {
        row["id"]: (
            row["pipeline_id"], row["status_id"], row["responsible_user_id"], row["price"],
            sorted(tag["name"] for tag in account.tags_of("leads", row["id"])), row["custom_fields_values"],
        )
        for row in account.tables["leads"]
    }  # fmt: skip


def apply(account: Account, package: dict[str, Any]) -> None:
    """What amoCRM does with a request of patch.jsonl."""
    assert (package["method"], package["path"]) == ("PATCH", "/api/v4/leads")
    assert len(package["body"]) <= 50
    for body in package["body"]:
        own = body.pop("id")
        for tag in body.pop("tags_to_add", ()):
            writes.tag(account, "leads", own, tag["name"])
        for tag in body.pop("tags_to_delete", ()):
            writes.untag(account, "leads", own, tag["name"])
        for filled in body.pop("custom_fields_values", ()):
            writes.set_field(account, "leads", own, filled["field_id"], filled["values"])
        if body:
            writes.edit(account, "leads", own, **body)


def test_an_undo_gives_back_what_was_and_nothing_of_what_people_did_since(tmp_path: Path) -> None:
    clock = ManualClock()
    account = Account.generate(seed=5, leads=120, clock=clock)
    destination = Destination()
    people = [*account.users][:2]
    text = next(field["id"] for field in account.fields["leads"] if field["type"] == "text")
    pipeline = account.pipelines[0]
    stages = [status["id"] for status in pipeline["statuses"] if status["type"] == 0 and status["id"] not in (142, 143)]
    # an event tells a budget without its fraction
    deals = [row["id"] for row in account.tables["leads"] if row["price"] == int(row["price"])][:60]
    assert destination.take(messages(Sandbox(account), STREAMS, destination.state()))
    clock.advance(3600)
    before = parts(account)
    for own in deals:
        writes.edit(account, "leads", own, by=people[0], pipeline_id=pipeline["id"], status_id=stages[1])
        writes.edit(account, "leads", own, by=people[0], price=1, responsible_user_id=people[1])
        writes.set_field(account, "leads", own, text, [{"value": "wrong"}], by=people[0])
        writes.tag(account, "leads", own, "wrong", by=people[0])
    clock.advance(3600)
    gone_on = {deals[0]: {"status_id": stages[2]}, deals[1]: {"price": 777}}
    for own, changes in gone_on.items():
        writes.edit(account, "leads", own, by=people[1], **changes)
    writes.trash(account, "leads", deals[2])
    clock.advance(3600)
    assert destination.take(messages(Sandbox(account), STREAMS, destination.state()))
    database, folder = str(tmp_path / "crm.duckdb"), tmp_path / "undo"
    for project in ("1001", "1002"):
        rows = {name: list(destination.rows.get(name, {}).values()) for name in STREAMS}
        models.store(database, project, rows, "duckdb")
    now = datetime.fromtimestamp(account.clock.now(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    chosen: list[str | Path] = ["--project", "1001", "--undo", folder]
    done = forked.run(["changes", "--quiet", "--now", now, *chosen], {"DB": database})
    assert done.returncode == 0, done.stderr
    # the marts keep the account that was not chosen
    of_both = [{"project_id": "1001"}, {"project_id": "1002"}]
    assert query(database, "SELECT DISTINCT project_id FROM amocrm_marts.mass_changes ORDER BY 1") == of_both
    for line in (folder / "patch.jsonl").read_text(encoding="utf-8").splitlines():
        apply(account, json.loads(line))

    after = parts(account)
    unequal = {
        own: [pair for pair in zip(row, after[own], strict=True) if pair[0] != pair[1]]
        for own, row in before.items()
        if own not in {*gone_on, deals[2]} and row != after[own]
    }
    assert unequal == {}
    assert after[deals[0]][1] == stages[2]
    assert after[deals[1]][3] == 777
    left_out = (folder / "left-out.csv").read_text(encoding="utf-8-sig").splitlines()
    assert {int(line.split(",")[0]) for line in left_out[1:]} == {*gone_on, deals[2]}
    assert sum("it is deleted, or merged into another one" in line for line in left_out) == 5
    none = forked.run(["changes", "--built", "--since", "2099-01-01", "--undo", tmp_path / "none"], {"DB": database})
    assert (none.stderr, (tmp_path / "none").exists()) == ("", False)
    again = forked.run(["changes", "--built", "--undo", folder], {"DB": database})
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"The folder {folder} is not empty. Name a new one: --undo undo-2026-11-30.\n"
