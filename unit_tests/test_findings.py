"""What a verification says: one sentence on top, what to do, a table, and numbers that name nobody."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone

from amocrm_warehouse.verify.findings import Finding, Verification
from docs.verify_picture import PICTURE, example, svg

NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def of(**tables: Finding) -> Verification:
    return Verification(NOON, NOON, tables=tables)


def test_one_sentence_says_how_much_was_looked_at_and_what_differs() -> None:
    equal, partly = Finding(looked_at=50_000, whole=True), Finding(looked_at=123)
    found = of(deals=equal, tasks=partly)
    assert found.sentence() == "All 50,123 rows looked at are equal; 1 table of 2 was looked at in part."
    assert (found.exit_code, found.advice()) == (0, [])

    found = of(deals=Finding(looked_at=5, whole=True, missing=1), tasks=partly)
    assert found.sentence() == (
        "1 difference in 128 rows looked at: deals (1 missing). 1 table of 2 was looked at in part."
    )
    assert found.exit_code == 1
    assert found.advice()[0].startswith("`source-amocrm sync --refresh deals` reads these tables from the beginning")

    found = of(
        deals=Finding(looked_at=5, extra=2, stale=1, unequal=Counter(name=3), limits=Counter({"old date": 1})),
        users=Finding(failure="No."),
    )
    assert found.sentence() == (
        "6 differences in 5 rows looked at: deals (2 extra, 1 stale, 3 name unequal). 1 table of 2 was looked at in "
        "part. 1 table could not be looked at: users."
    )
    assert (found.exit_code, of(users=Finding(failure="No.")).exit_code) == (1, 2)
    old, fault = found.advice()
    assert old.startswith("No sync can know (old date, deals): ")
    assert old.endswith(" `source-amocrm sync --refresh deals` reads them.")
    assert "that is a fault of the connector" in fault


def test_a_limit_of_a_sync_is_a_difference_and_no_fault() -> None:
    found = of(notes=Finding(looked_at=9, extra=2, limits=Counter({"silent deletion": 2})))
    assert found.sentence().startswith("2 differences in 9 rows looked at: notes (2 extra).")
    [advice] = found.advice()
    assert (found.exit_code, "fault of the connector" in advice, "--refresh notes" in advice) == (1, False, True)


def test_what_waits_for_a_sync_is_neither_equal_nor_a_fault() -> None:
    found = of(deals=Finding(looked_at=9, whole=True, waiting=2), users=Finding(failure="No."))
    found.again = "source-amocrm verify --again verify-1001.json"
    assert found.sentence().startswith("2 differences that wait for a sync in 9 rows looked at: deals (2). ")
    assert (found.exit_code, found.advice()) == (3, [f"In five minutes run your sync, then this line: {found.again}"])


def test_what_changes_all_the_time_is_named_and_not_counted() -> None:
    found = of(deals=Finding(looked_at=9, whole=True, changing=1))
    assert found.exit_code == 0
    assert found.sentence().endswith(" Rows that changed at each look are not counted: deals.")


def test_what_is_no_difference_is_named_with_its_cause() -> None:
    found = of(
        deals=Finding(looked_at=9, uncounted=Counter({"closest_task_at": 2, "updated_at": 1})),
        contacts=Finding(looked_at=9, uncounted=Counter({"closest_task_at": 1, "links to cards in the trash": 4})),
    )
    assert found.exit_code == 0
    assert found.advice() == [
        "Not counted: closest_task_at in deals, contacts (amoCRM changes it without a new date, so it is as old as the "
        "row's last change; `--refresh` reads it); "
        "links to cards in the trash in contacts (amoCRM tells neither when it hides such a link nor when it shows it "
        "again); "
        "updated_at in deals (a card that comes back from the trash is dated by its return, and in amoCRM keeps its "
        "old date)."
    ]


def test_each_table_says_how_much_of_it_was_looked_at() -> None:
    extents = [
        Finding(3, 3, 3, whole=True).extent, Finding(9, 7, 3).extent, Finding(None, 7, 3).extent,
        Finding(9, 9, 3, failure="No rights.").extent, Finding(failure="No rights.").extent,
    ]  # fmt: skip
    assert extents == ["all 3", "3 of 9", "3 of 7", "3 of 9", "not looked at: No rights."]


def test_the_file_to_send_holds_numbers_alone() -> None:
    found = of(contacts=Finding(looked_at=1, missing=1, unequal=Counter(name=1)))
    found.tables["contacts"].count("missing", (31_870_412,))
    assert "31870412" in "\n".join(found.lines("amocrm_1_"))
    assert "31870412" not in json.dumps(found.as_json())
    assert found.as_json()["tables"]["contacts"]["unequal"] == {"name": 1}


def test_the_picture_is_of_these_lines() -> None:
    assert PICTURE.read_text(encoding="utf-8") == svg(), "make docs"
    assert example().sentence() in svg()
