"""Events that amoCRM may send and that tell less than others: what the marts then know, in DuckDB and PostgreSQL."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amocrm_warehouse.report import workbook
from amocrm_warehouse.report.report_words import Words
from docs.describe_models import layer
from docs.describe_models import models as described
from testing import forked, models, postgres
from testing.models import Row, plain
from testing.sheets import sheets

ANNA, IVAN = 100_001, 100_002
NOW = "2027-01-01T01:00:00"
ABSURD = 2**53
PLANS = {ANNA: "20.01", IVAN: "8000"}
"""They sell 20 and 100 in the month."""
Ask = Callable[[str], list[Row]]


def day(text: str) -> str:
    return f"2026-{text}T00:00:00Z"


def deal(own: int, status: int = 11, **others: Any) -> Row:
    return {
        "lead_id": own, "name": f"Deal {own}", "created_at": day("10-01"), "updated_at": day("12-01"),
        "read_at": day("12-01"), "pipeline_id": 1, "status_id": status,
        "responsible_user_id": IVAN, **others,
    }  # fmt: skip


def change(own: int, moment: str, **values: Any) -> Row:
    """A change of a deal; the event's id tells nothing of the order."""
    return {"event_id": f"{own} {moment}", "note_id": f"{own} {moment}", "lead_id": own, "created_at": moment, **values}


def account(number: int, zone: str) -> Row:
    return {"account_id": number, "datetime_settings": {"timezone": zone}, "invoices_settings": {"currency": "RUB"}}


STATUSES = [{"pipeline_id": 1, "status_id": status, "status_sort": status} for status in (11, 12, 142, 143)]
USERS = [{"user_id": ANNA, "name": "Анна"}, {"user_id": IVAN, "name": "Иван"}]


def told_less() -> dict[str, list[Row]]:
    """An account whose mass changes do not tell the values before, and whose events of one second have no order."""

    def gone(event: str, own: int, moment: str, column: str) -> Row:
        return {"event_id": event, "entity_type": "lead", "entity_id": own, "created_at": moment, column: moment}

    noon = "2026-10-10T12:00:00Z"
    return {
        "account": [account(2, "Europe/Moscow")],
        "users": USERS,
        "statuses": STATUSES,
        "deals": [
            deal(1, 142, sale=100, closed_at=day("10-05")),
            deal(2, 142, sale=20, closed_at=day("10-20")),
            deal(3, 12),
            deal(4, sale=500),
            deal(5),
            deal(6, None, is_deleted=True, updated_at=noon, name=None, created_at=None, pipeline_id=None),  # type: ignore[arg-type]
            deal(7, updated_at=day("10-05")),
            deal(8),
        ],
        "deal_responsible_changes": [
            change(1, day("10-10"), responsible_user_id_new=IVAN),
            change(2, day("10-10"), responsible_user_id_new=ANNA),
            change(2, day("10-25"), responsible_user_id_old=ANNA, responsible_user_id_new=IVAN),
            change(8, day("10-15"), responsible_user_id_old=ANNA, responsible_user_id_new=IVAN),
        ],
        "deal_statuses": [change(3, day("10-10"), pipeline_id_new=1, status_new=12)],
        "deal_sale_changes": [change(4, day("10-10"), sale_new=500)],
        "deal_field_changes": [
            change(7, day("10-10"), custom_field_id=70, value_new="later than its card"),
            change(8, day("10-02"), custom_field_id=70, value_new="a"),
            change(8, day("10-20"), custom_field_id=70, value_old="a", value_new="b"),
        ],
        "custom_fields_deals": [],
        "events": [],
        "deleted_entities": [
            gone("b", 5, noon, "deleted_at"), gone("a", 5, noon, "restored_at"),
            gone("d", 6, noon, "deleted_at"), gone("c", 6, noon, "restored_at"),
            gone("e", 8, day("10-08"), "restored_at"), gone("f", 8, day("10-12"), "deleted_at"),
        ],
        "customers": [{"customer_id": 1, "name": "", "created_at": day("10-01"), "updated_at": day("10-01")}],
    }  # fmt: skip


def mistyped() -> dict[str, list[Row]]:
    """Nine deals sold for 100 to 900; one sold later and one open, whose budgets are absurd; and a large open one."""
    sold = [deal(own, 142, sale=100 * own, closed_at=day("08-05")) for own in range(1, 10)]
    sold.append(deal(10, 142, sale=ABSURD, closed_at=day("11-05")))
    return {
        "account": [account(3, "America/Sao_Paulo")],
        "statuses": STATUSES,
        "deals": [
            row | {"created_at": day("06-01")} for row in (*sold, deal(11, sale=ABSURD), deal(12, sale=9000))
        ],
        "deal_statuses": [
            change(row["lead_id"], row["closed_at"], pipeline_id_old=1, status_old=11, pipeline_id_new=1,
                   status_new=142)
            for row in sold
        ],
        "deal_sale_changes": [],
    }  # fmt: skip


def callers() -> dict[str, list[Row]]:
    """Clients who call while one, several or none of their deals are open; and goods of one price, several or none."""

    def own(number: int, contact: int, created: str, status: int = 11, closed: str | None = None) -> Row:
        return deal(number, status, main_contact=contact, created_at=day(created), closed_at=closed and day(closed))

    def call(number: int, kind: int, card: int, moment: str, direction: str = "in", duration: int = 0) -> Row:
        return {"note_id": number, "element_type": kind, "element_id": card, "created_at": moment, "phone": "1",
                "direction": direction, "duration": duration, "responsible_user_id": ANNA}  # fmt: skip

    noon, contact = "2026-10-10T12:00:00Z", 1
    price = {"value_index": 0, "field_type": "price", "read_at": day("10-01")}
    return {
        "account": [account(4, "Europe/Moscow")],
        "users": USERS,
        "statuses": STATUSES,
        "deals": [
            own(10, 1, "10-01"),
            own(20, 2, "10-01"), own(21, 2, "10-02"),
            own(30, 3, "09-01", 142, "09-05"), own(31, 3, "09-10", 143, "09-20"), own(32, 3, "10-15"),
            own(40, 4, "10-01", 142, "10-20"), own(41, 4, "10-15"),
            own(50, 5, "10-15"),
        ],
        "deal_statuses": [],
        "calls": [
            call(1, contact, 1, noon),
            call(2, contact, 2, noon), call(3, 2, 21, "2026-10-10T13:00:00Z", "out", 60),
            call(4, contact, 3, noon), call(5, contact, 3, "2026-10-10T13:00:01Z", "in", 5),
            call(6, contact, 4, noon, "in", 30),
            call(7, contact, 5, noon),
        ],
        "messages": [],
        "catalog_elements": [
            {"catalog_id": 7, "catalog_element_id": number, "name": f"Good {number}", "read_at": day("10-01")}
            for number in (1, 2)
        ],
        "custom_fields_catalog_elements": [
            {"catalog_element_id": 1, "custom_field_id": 71, "value": "100", **price},
            {"catalog_element_id": 1, "custom_field_id": 72, "value": "90.555", **price},
            {"catalog_element_id": 2, "custom_field_id": 71, "value": "9" * 27, **price},
            {"catalog_element_id": 2, "custom_field_id": 72, "value": "5",
             **price, "read_at": day("09-01")},
        ],
        "deal_catalog_elements": [
            {"lead_id": lead, "catalog_id": 7, "catalog_element_id": good, "quantity": quantity, "price_id": field,
             "read_at": day("12-01")}
            for lead, good, quantity, field in (
                (30, 1, 2.5, 72), (40, 1, 2.5, None), (40, 2, 2.5, None), (10, 1, 2.5, 71), (30, 2, 0.004, 72),
            )
        ],
        "customers": [{"customer_id": 9, "name": "", "created_at": day("10-01"), "updated_at": day("10-01")}],
        "customer_transactions": [
            {"transaction_id": 90, "customer_id": 9, "completed_at": noon,
             "catalog_elements": [{"id": 1, "quantity": 3, "catalog_id": 7, "price_id": 71}]},
            {"transaction_id": 91, "customer_id": 9, "completed_at": noon,
             "catalog_elements": [{"id": 1, "quantity": 0.0125, "catalog_id": 7, "price_id": 71}]},
        ],
    }  # fmt: skip


def forgotten() -> dict[str, list[Row]]:
    """An account that has removed a stage, a move without a moment, and of which several tables were not read."""

    def move(own: int, moment: str | None, old: int, new: int) -> Row:
        return {"note_id": f"{own} {moment}", "lead_id": own, "created_by": IVAN, "created_at": moment,
                "pipeline_id_old": 1, "status_old": old, "pipeline_id_new": 1, "status_new": new}  # fmt: skip

    return {
        "account": [account(5, "Europe/Moscow")],
        "users": USERS,
        "statuses": [
            one | {"pipeline_name": "Sales", "status_name": f"№ {one['status_id']}"}
            for one in STATUSES if one["status_id"] != 12
        ],
        "deals": [deal(1, 12, sale=70), deal(2, 143, closed_at=day("10-20")), deal(3, 142, closed_at=day("10-20"))],
        "deal_statuses": [
            move(1, day("10-05"), 11, 12), move(2, day("10-05"), 11, 12), move(2, day("10-20"), 12, 143),
            move(3, day("10-20"), 11, 142), move(3, None, 11, 12),
        ],
        "contacts": [{"contact_id": 7, "created_at": day("10-01"), "updated_at": day("10-01")}],
        "companies": [{"company_id": 8, "created_at": day("10-01"), "updated_at": day("10-01")}],
        "messages": [
            {"message_id": f"{talk} {at}", "talk_id": talk, "element_type": 2, "element_id": 1, "direction": direction,
             "created_by": 0 if direction == "in" else IVAN, "created_at": f"2026-10-10T{at}:00Z"}
            for talk, at, direction in (
                (1, "10:00", "in"), (2, "10:00", "in"), (2, "10:30", "out"), (3, "10:00", "in"), (3, "10:20", "out"),
                (3, "11:00", "in"),
            )
        ],
    }  # fmt: skip


def least(table: str) -> Row:
    """The row of a table that tells least: its key, and null in every other column."""
    properties = json.loads((models.SCHEMAS / f"{table}.json").read_text(encoding="utf-8"))["properties"]
    filled = {"int": 1, "number": 1, "text": "leads", "bool": False, "time": day("10-01"), "json": []}
    kinds = models.kinds(table)
    return {name: filled[kinds[name]] for name, schema in properties.items() if "null" not in schema["type"]}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    tables = [path.stem for path in sorted(models.SCHEMAS.glob("*.json"))]
    accounts = {
        "least": {name: [least(name)] for name in tables},
        "less": told_less(),
        "mistyped": mistyped(),
        "callers": callers(),
        "forgotten": forgotten(),
    }
    folder = tmp_path_factory.mktemp("odd")
    plans = folder / "plans.csv"
    plans.write_text(
        "project_id,month,responsible_user_id,plan\n"
        + "".join(f"less,2026-10-01,{user},{plan}\n" for user, plan in PLANS.items()), encoding="utf-8",
    )  # fmt: skip
    with ExitStack() as stack:
        file = str(folder / "crm.duckdb")
        found = {"duckdb": file, "postgres": stack.enter_context(postgres.server())}
        for flavour, database in found.items():
            for project, own in accounts.items():
                models.store(database, project, own, flavour)
            models.build(database, "--now", NOW, "--plans", str(plans))
        yield found


@pytest.fixture(params=["duckdb", "postgres"])
def ask(request: pytest.FixtureRequest, databases: dict[str, str]) -> Iterator[Ask]:
    with models.asking(databases[request.param]) as found:
        yield found


def of(ask: Ask, mart: str, columns: str, condition: str = "", project: str = "less") -> list[Row]:
    return ask(
        f"SELECT {columns} FROM amocrm_marts.{mart} WHERE project_id = '{project}' {condition} ORDER BY {columns}"
    )


def test_a_sale_is_of_the_present_user_where_no_event_tells_who_closed_it(ask: Ask) -> None:
    assert of(ask, "deals", "deal_id, closer_name, closer_as_of", "AND stage_kind = 'won'") == [
        {"deal_id": 1, "closer_name": "Иван", "closer_as_of": "now"},
        {"deal_id": 2, "closer_name": "Анна", "closer_as_of": "closing"},
    ]
    assert of(ask, "sales_plan", "responsible_name, month, won, won_budget, currency") == [
        {"responsible_name": "Анна", "month": "2026-10-01", "won": 1, "won_budget": 20, "currency": "RUB"},
        {"responsible_name": "Иван", "month": "2026-10-01", "won": 1, "won_budget": 100, "currency": "RUB"},
    ]


def test_a_half_is_rounded_up_and_a_plan_that_was_missed_is_not_reached(ask: Ask) -> None:
    """99.95 percent of a plan, and 1.25."""
    assert of(ask, "sales_plan", "responsible_name, plan, percent_of_plan") == [
        {"responsible_name": "Анна", "plan": 20.01, "percent_of_plan": 99.9},
        {"responsible_name": "Иван", "plan": 8000, "percent_of_plan": 1.3},
    ]


def test_a_stage_a_user_and_a_budget_that_no_event_tells_are_unknown(ask: Ask) -> None:
    assert of(ask, "deal_stage_history", "position, status_id, status_id_before, is_last", "AND deal_id = 3") == [
        {"position": 1, "status_id": 12, "status_id_before": None, "is_last": True}
    ]
    history = of(ask, "deal_history", "from_at, status_id, responsible_user_id, budget", "AND deal_id IN (1, 3, 4)")
    assert history == [
        {"from_at": "2026-10-01 00:00:00", "status_id": 11, "responsible_user_id": IVAN, "budget": None},
        {"from_at": "2026-10-01 00:00:00", "status_id": 142, "responsible_user_id": None, "budget": 100},
        {"from_at": "2026-10-01 00:00:00", "status_id": None, "responsible_user_id": IVAN, "budget": None},
        {"from_at": "2026-10-10 00:00:00", "status_id": 11, "responsible_user_id": IVAN, "budget": 500},
        {"from_at": "2026-10-10 00:00:00", "status_id": 12, "responsible_user_id": IVAN, "budget": None},
        {"from_at": "2026-10-10 00:00:00", "status_id": 142, "responsible_user_id": IVAN, "budget": 100},
    ]
    first = of(ask, "entity_history", "entity_id, field, valid_from", "AND entity_id IN (1, 3, 4) AND field <> 'name'")
    october = {"valid_from": "2026-10-01 00:00:00"}
    assert [row for row in first if row["valid_from"] == october["valid_from"]] == [
        {"entity_id": 1, "field": "budget", **october},
        {"entity_id": 1, "field": "stage", **october},
        {"entity_id": 3, "field": "responsible", **october},
        {"entity_id": 4, "field": "responsible", **october},
        {"entity_id": 4, "field": "stage", **october},
    ]


def test_events_of_one_second_do_not_tell_whether_a_card_is_deleted_but_its_row_does(ask: Ask) -> None:
    assert of(ask, "deals", "deal_id, is_deleted", "AND deal_id IN (5, 6, 8)") == [
        {"deal_id": 5, "is_deleted": False},
        {"deal_id": 6, "is_deleted": True},
        {"deal_id": 8, "is_deleted": True},
    ]


def test_at_any_moment_a_field_has_one_value(ask: Ask) -> None:
    """Also where an event is later than its card, or its card's deletion."""
    values = of(ask, "entity_history", "entity_id, value, valid_from, valid_to", "AND field = 'custom_field'")
    assert values == [
        {"entity_id": 7, "value": "later than its card", "valid_from": "2026-10-10 00:00:00", "valid_to": None},
        {
            "entity_id": 8,
            "value": "a",
            "valid_from": "2026-10-02 00:00:00",
            "valid_to": "2026-10-12 00:00:00",
        },
    ]
    assert of(ask, "entity_history", "value, valid_to", "AND field = 'responsible' AND entity_id = 8") == [
        {"value": "Анна", "valid_to": "2026-10-12 00:00:00"}
    ]
    assert ask("SELECT * FROM amocrm_marts.entity_history WHERE valid_from >= valid_to") == []
    assert ask(
        "SELECT * FROM (SELECT valid_to, lead(valid_from) OVER (PARTITION BY project_id, entity_type, entity_id, "
        "field, custom_field_id ORDER BY valid_from NULLS FIRST) AS next_from FROM amocrm_marts.entity_history) AS "
        "versions WHERE next_from < coalesce(valid_to, next_from + INTERVAL '1 second')"
    ) == []  # fmt: skip
    assert of(ask, "entity_history", "entity_id", "AND entity_type = 'customer'") == []


def test_a_call_is_of_the_deal_that_was_open_then_and_of_none_if_several_were(ask: Ask) -> None:
    """If none was, of the newest that had begun. Whoever calls back on another deal of the contact has called back."""
    columns = "note_id, deal_id, is_missed, called_back_at, is_called_back_in_hour"
    rows = of(ask, "calls", columns, "AND direction = 'in'", project="callers")
    assert [tuple(row.values()) for row in rows] == [
        (1, 10, True, None, False),
        (2, None, True, "2026-10-10 13:00:00", True),
        (4, 31, True, "2026-10-10 13:00:01", False),
        (5, 31, False, None, None),
        (6, 40, False, None, None),
        (7, None, True, None, False),
    ]


def test_a_good_has_the_price_that_its_link_names_or_its_only_one(ask: Ask) -> None:
    """An absurd price has no amount, and a price that the good has no more does not count."""
    columns = "entity_type, entity_id, transaction_id, name, quantity, price_now, amount_now, currency"
    rows = of(ask, "goods_sold", columns, project="callers")
    assert [tuple(row.values()) for row in rows] == [
        ("customer", 9, 90, "Good 1", 3, 100, 300, "RUB"),
        ("customer", 9, 91, "Good 1", 0.0125, 100, 1.25, "RUB"),
        ("deal", 30, None, "Good 1", 2.5, 90.56, 226.4, "RUB"),
        ("deal", 30, None, "Good 2", 0.004, None, None, "RUB"),
        ("deal", 40, None, "Good 1", 2.5, None, None, "RUB"),
        ("deal", 40, None, "Good 2", 2.5, None, None, "RUB"),
    ]


def test_a_stage_that_the_account_no_longer_has_keeps_its_pipeline_and_its_losses(ask: Ask) -> None:
    in_pipeline = of(ask, "deals", "deal_id, pipeline_name, status_name, stage_kind", project="forgotten")
    assert [tuple(row.values()) for row in in_pipeline] == [
        (1, "Sales", None, "open"), (2, "Sales", "№ 143", "lost"), (3, "Sales", "№ 142", "won"),
    ]  # fmt: skip
    for mart in ("deal_stage_history", "deal_history", "pipeline_daily"):
        named = {row["pipeline_name"] for row in of(ask, mart, "pipeline_name", project="forgotten")}
        assert named == {"Sales"}, mart
    columns = "status_id, status_name, reached, reached_before, deals_in_stage, lost, still_there"
    assert [tuple(row.values()) for row in of(ask, "funnel", columns, project="forgotten")] == [
        (11, "№ 11", 3, None, 3, 0, 0), (12, None, 2, None, 2, 1, 1), (142, "№ 142", 1, 3, 1, 0, 1),
    ]  # fmt: skip


def test_a_move_without_a_moment_is_no_part_of_a_history(ask: Ask) -> None:
    stays = of(ask, "deal_stage_history", "position, status_id, from_at", "AND deal_id = 3", "forgotten")
    assert [tuple(row.values()) for row in stays] == [
        (0, 11, "2026-10-01 00:00:00"), (1, 142, "2026-10-20 00:00:00"),
    ]  # fmt: skip


def test_where_the_talks_were_not_read_nobody_knows_which_are_open(ask: Ask) -> None:
    """A client who was answered does not wait, whether the talk is open or not."""
    columns = "talk_id, is_open, is_unanswered, waiting_since, longest_wait_seconds"
    assert [tuple(row.values()) for row in of(ask, "conversations", columns, project="forgotten")] == [
        (1, None, None, None, None), (2, None, False, None, 1800), (3, None, None, None, 1200),
    ]  # fmt: skip
    for mart in ("today", "queue"):
        assert of(ask, mart, "reason", "AND reason = 'waiting'", "forgotten") == []


def test_what_is_counted_from_tables_that_were_not_read_is_null(ask: Ask) -> None:
    unknown = dict.fromkeys(("deals", "open_deals", "won_deals", "won_budget"))
    for mart in ("contacts", "companies"):
        assert of(ask, mart, ", ".join(unknown), project="forgotten") == [unknown], mart
    assert of(ask, "deals", "first_response_at", project="forgotten") == 3 * [{"first_response_at": None}]
    assert of(ask, "stale_deals", "deal_id, open_tasks", project="forgotten") == [{"deal_id": 1, "open_tasks": None}]


def test_rows_that_tell_least_cost_no_model(ask: Ask) -> None:
    """Every model is built, which the fixture asserts; and a row without any value is in those of its kind."""
    counted = {
        name: len(of(ask, name, "project_id", project="least")) for name in described() if layer(name) == "marts"
    }
    assert counted["deals"] == counted["contacts"] == counted["companies"] == counted["calls"] == 1
    assert of(ask, "deals", "deal_id, stage_kind, created_at, budget, closer_id", project="least") == [
        {"deal_id": 1, "stage_kind": None, "created_at": None, "budget": None, "closer_id": None}
    ]


def test_each_account_has_its_own_today(ask: Ask) -> None:
    rows = ask("SELECT project_id, now_local, today FROM amocrm_staging.int_accounts ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [
        ("callers", "2027-01-01 04:00:00", "2027-01-01"),
        ("forgotten", "2027-01-01 04:00:00", "2027-01-01"),
        ("least", "2027-01-01 01:00:00", "2027-01-01"),
        ("less", "2027-01-01 04:00:00", "2027-01-01"),
        ("mistyped", "2026-12-31 22:00:00", "2026-12-31"),
    ]
    last_days = ask("SELECT project_id, max(day) AS day FROM amocrm_marts.pipeline_daily GROUP BY 1 ORDER BY 1")
    assert [row["day"] for row in last_days] == ["2027-01-01", "2027-01-01", "2026-12-31"]


def test_a_mistyped_budget_counts_for_ten_times_what_nine_of_ten_sales_brought(ask: Ask) -> None:
    columns = "deal_id, stage_kind, budget, budget_cap, currency"
    assert of(ask, "capped_deals", columns, project="mistyped") == [
        {"deal_id": 10, "stage_kind": "won", "budget": plain(ABSURD), "budget_cap": 9000, "currency": "RUB"},
        {"deal_id": 11, "stage_kind": "open", "budget": plain(ABSURD), "budget_cap": 9000, "currency": "RUB"},
    ]
    [row] = of(ask, "forecast_stages", "budget, expected_0, expected_1, expected_2", project="mistyped")
    assert row["budget"] == plain(ABSURD + 9000)
    assert all(0 <= row[f"expected_{ahead}"] <= 18_000 for ahead in range(3))
    assert row["expected_0"] + row["expected_1"] + row["expected_2"] > 0
    now = "AND months_back = 0 AND pipeline_id IS NULL"
    assert {row["budget_cap"] for row in of(ask, "forecast", "budget_cap", now, project="mistyped")} == {9000}


def test_one_sentence_stands_in_place_of_what_a_missing_mart_would_tell(
    databases: dict[str, str], tmp_path: Path
) -> None:
    """In the digest and in the workbook; all else is there."""
    copy, book = tmp_path / "crm.duckdb", tmp_path / "crm.xlsx"
    shutil.copy(databases["duckdb"], copy)
    with closing(duckdb.connect(str(copy))) as connection:
        connection.execute("DROP TABLE amocrm_marts.today; DROP TABLE amocrm_marts.sales_plan")
    done = forked.run(
        ["report", "--built", "--db", copy, "--digest", "--xlsx", book, "--language", "en"], {"CI": "true"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "There is no digest: these models could not be built: sales_plan, today.\n"
    names, [*_, definitions] = zip(*sheets(book).items(), strict=True)
    words = Words("en")
    left = [name for name in workbook.SHEETS if name not in ("today", "plans")]
    assert list(names) == [words("xlsx.summary"), *(words(f"{name}.title") for name in left), words("xlsx.definitions")]
    for name in ("today", "plans"):
        assert [row[1] for row in definitions if row and row[0] == words(f"{name}.title")] == [words("none.unbuilt")]
