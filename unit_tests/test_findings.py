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

    found = of(deals=Finding(looked_at=5, extra=2, stale=1, unequal=Counter(name=3)), users=Finding(failure="No."))
    assert found.sentence() == (
        "6 differences in 5 rows looked at: deals (2 extra, 1 stale, 3 name unequal). 1 table of 2 was looked at in "
        "part. 1 table could not be looked at: users."
    )
    assert (found.exit_code, of(users=Finding(failure="No.")).exit_code) == (1, 2)


def test_the_file_to_send_holds_numbers_alone() -> None:
    found = of(contacts=Finding(looked_at=1, missing=1, unequal=Counter(name=1)))
    found.tables["contacts"].note("missing", (31_870_412,))
    assert "31870412" in "\n".join(found.lines("amocrm_1_"))
    assert "31870412" not in json.dumps(found.as_json())
    assert found.as_json()["tables"]["contacts"]["unequal"] == {"name": 1}


def test_the_picture_is_of_these_lines() -> None:
    assert PICTURE.read_text(encoding="utf-8") == svg(), "make docs"
    assert example().sentence() in svg()
