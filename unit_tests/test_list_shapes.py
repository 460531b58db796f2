"""The shapes that a probe brings home: types, absence, lengths, words of closed vocabularies, and no other value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amocrm_probe import redaction
from amocrm_probe.list_shapes import shape
from amocrm_probe.lists import LISTS
from sandbox import shapes as sandbox_shapes
from sandbox.shapes import not_played
from sandbox.switches import Switches

PLANTED = ("Иван Петров", "petrova", "+79161234567", "31450001", "ivan@example.com", "anna")


def lead(number: int, **others: Any) -> dict[str, Any]:
    return {
        "id": 31_450_000 + number, "name": PLANTED[0], "price": None, "tel": PLANTED[2],
        "custom_fields_values": [{"field_id": 7, "field_type": "text", "values": [{"value": PLANTED[4]}]}],
        "_embedded": {"tags": [{"name": "a" * 5}, {"name": "b" * 33}]},
        **others,
    }  # fmt: skip


def test_types_absence_lengths_and_words_of_closed_vocabularies() -> None:
    rows = [
        lead(1, price=5), lead(2, price=5.5, score=1), lead(3, custom_fields_values=None),
        lead(4, custom_fields_values=[]), lead(5, price="5", own={"anna": 1}), {"id": "x"}, "no object",
    ]  # fmt: skip
    found = shape(LISTS["leads"], rows)
    assert found["rows"] == 7
    places = found["places"]
    assert places["id"] == {"integer": 5, "text": 1, "longest": 1}
    assert places["price"] == {"integer": 1, "null": 2, "number": 1, "text": 1, "absent": 1, "longest": 1}
    assert places["name"] == {"text": 5, "absent": 1, "longest": 16}
    assert places["tel"] == {"text": 5, "absent": 1, "longest": 16}, "an unknown name that five rows have"
    assert places["custom_fields_values"] == {"array": 4, "null": 1, "absent": 1, "longest": 1}
    assert places["custom_fields_values.field_type"] == {"text": 3, "longest": 4, "words": {"text": 3}}
    assert places["_embedded.tags"] == {"array": 5, "longest": 2}
    assert places["_embedded.tags.name"] == {"text": 10, "longest": 64}
    assert "own" not in places, "one row has it: somebody may have typed it"


def test_words_are_told_of_closed_vocabularies_alone() -> None:
    kinds = ["lead_added", "custom_field_31450001_value_changed", "petrova_came", PLANTED[0]]
    places = shape(LISTS["events"], [{"id": "e", "type": kind, "note": kind} for kind in kinds])["places"]
    assert places["type"]["words"] == {"custom_field_value_changed": 1, "lead_added": 1}
    assert [place for place, told in places.items() if "words" in told] == ["type"]


def test_nothing_planted_gets_into_the_file() -> None:
    keys = {word: word for word in PLANTED}
    rows = [lead(number, **keys, own={**keys, "deep": [keys, *PLANTED]}) for number in range(4)]
    found = {name: shape(of, rows) for name, of in LISTS.items()}
    said = json.dumps(redaction.document((), {}, found, version="1.0", brand="amocrm", requests=1), ensure_ascii=False)
    assert [word for word in PLANTED if word in said] == []
    assert [row["id"] for row in rows if str(row["id"]) in said] == []


def test_a_shape_of_unknown_making_is_cut_to_what_is_allowed() -> None:
    told = {"text": 31_450_001, "anna": 1, "words": {"anna": 1, "checkbox": 2}}
    made = {"rows": 31_450_001, "places": {"type": told, "Иван": told, "a.31450001": told}}
    found = redaction.document((), {}, {"lead_fields": made, "anna": made}, version="", brand="", requests=0)
    assert found["shapes"] == {
        "lead_fields": {"rows": 999_999, "places": {"type": {"text": 999_999, "words": {"checkbox": 2}}}}
    }


def test_what_the_sandbox_cannot_play_is_named() -> None:
    mine = shape(LISTS["leads"], [lead(number, price=1.5) for number in range(6)])
    theirs = shape(
        LISTS["leads"],
        [
            lead(n, price=1, name=None, ai={"score": 1}, custom_fields_values=[{"field_type": "select"}])
            for n in range(6)
        ]
        + [{"id": 1, "_embedded": {"tags": [{"name": "c" * 200}]}}],
    )
    assert list(not_played({"leads": mine}, [{"leads": mine}])) == []
    assert list(not_played({"leads": theirs, "talks": theirs}, [{}, {"leads": mine}])) == [
        "leads: _embedded.tags.name is never longer than 64 (there up to 256)",
        "leads: ai is never sent (object)",
        "leads: custom_fields_values is never absent",
        "leads: custom_fields_values.field_type is never longer than 4 (there up to 8)",
        "leads: custom_fields_values.field_type is never “select”",
        "leads: name is never null",
        "leads: name is never absent",
        "leads: price is never absent",
        "leads: tel is never absent",
        "talks: there is no such list",
    ]


def test_the_command_compares_the_file_with_the_sandbox(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = sandbox_shapes.played_by(Switches())
    assert len(played) > 15
    monkeypatch.setattr(sandbox_shapes, "played_by", lambda _: played)
    file = tmp_path / "probe.json"
    found = redaction.document((), {}, played, version="1.0", brand="amocrm", requests=1)
    file.write_text(json.dumps(found), encoding="utf-8")
    assert sandbox_shapes.main([str(file)]) == 0
    assert capsys.readouterr().out == "The sandbox can play all that this account sends.\n"

    found["shapes"]["users"]["places"]["rights"] = {"null": 3}
    file.write_text(json.dumps(found), encoding="utf-8")
    assert sandbox_shapes.main([str(file)]) == 1
    assert capsys.readouterr().out == "users: rights is never null\n"

    file.write_text("{}", encoding="utf-8")
    assert sandbox_shapes.main([str(file)]) == 2
    assert "is no probe.json with shapes" in capsys.readouterr().err
