"""A state is one that was saved for this stream, of a form that is known, or it is refused: never is less read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from source_amocrm.dates import iso
from source_amocrm.engine.read_plan import BEGINNING, Progress, ReadPlan, ResumePoint, Version
from source_amocrm.engine.state import dump, load
from source_amocrm.errors import ConfigError
from source_amocrm.walk.intervals import FOREVER, IntervalSet
from source_amocrm.walk.listing import PageCheckpoint

THEN = 1_700_000_000
TEXT = "2023-11-14T22:13:20Z"
DAY_BEFORE = "2023-11-13T22:13:20Z"
LISTS = ["leads", "contacts"]
State = dict[str, Any]

SECOND = st.integers(THEN - 90_000, THEN + 500)
SPANS = st.lists(st.tuples(SECOND, SECOND), max_size=3).map(IntervalSet.of)
WALKS = st.none() | st.builds(ResumePoint, SECOND, st.builds(PageCheckpoint, st.integers(0, 999), st.integers(0, 999)))
PROGRESS = st.builds(
    lambda left, newest, ahead, begun: Progress(
        "deals",
        "updated_at",
        None,
        300,
        THEN,
        left,
        newest,
        {own: Version(at, THEN) for own, at in ahead.items()},
        begun,
    ),
    st.dictionaries(st.sampled_from(LISTS), st.builds(ReadPlan, SPANS, WALKS, SECOND, SECOND), max_size=2),
    st.dictionaries(st.sampled_from(LISTS), SECOND, max_size=2),
    st.dictionaries(
        st.sampled_from(["leads/1", "leads/2", "contacts/3"]), st.integers(THEN, THEN + 90_000), max_size=3
    ),
    st.none() | SECOND,
)


def loaded(state: Any, stream: str = "deals", cursor: str = "updated_at") -> Progress:
    return load(stream, cursor, LISTS, json.loads(json.dumps(state)), None, 300)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something of a state can be changed."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def at(state: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        state = state[name]
    return state


def drop(parent: Any, name: Any) -> None:
    del parent[name]


def rename(parent: Any, name: Any) -> None:
    if isinstance(parent, dict):
        parent[f"{name}_"] = parent.pop(name)
    else:
        parent.reverse()


def becomes(value: Any) -> Callable[[Any, Any], None]:
    def mutate(parent: Any, name: Any) -> None:
        parent[name] = deepcopy(value)

    return mutate


def turn(parent: Any, name: Any) -> None:
    """Swaps, negates, blows up."""
    value = parent[name]
    if isinstance(value, list):
        parent[name] = value[::-1]
    elif isinstance(value, dict):
        parent[name] = dict(zip(value, [*value.values()][::-1], strict=True))
    elif isinstance(value, int):
        parent[name] = -value - 1
    else:
        parent[name] = str(value).replace("20", "21", 1)


def add(parent: Any, name: Any) -> None:
    if isinstance(parent, dict):
        parent["unknown"] = deepcopy(parent[name])
    else:
        parent.append(deepcopy(parent[name]))


MUTATIONS = [
    drop, rename, turn, add,
    *map(becomes, (None, [], {}, "", 0, -1, 10**18, True, "leads", TEXT, "2024-01-01T00:00:00Z", [[TEXT, DAY_BEFORE]])),
]  # fmt: skip


def reads_at_least(one: Progress, other: Progress) -> bool:
    """Whether `one` asks for all that `other` does."""
    for name in LISTS:
        need, wanted = one.plan(name), other.plan(name)
        missing = wanted.seconds
        for span in need.seconds.intervals:
            missing -= span
        if need.resume != wanted.resume and wanted.resume:
            missing |= IntervalSet.of([(wanted.resume.since, FOREVER)])
            for span in need.seconds.intervals:
                missing -= span
        if missing or need.deletions_since > wanted.deletions_since:
            return False
        since = [BEGINNING if plan.changes_since == FOREVER else plan.changes_since for plan in (need, wanted)]
        if since[0] > since[1]:
            return False
    return one.postdated == other.postdated or one.watermark is None


@settings(max_examples=500, deadline=None)
@given(PROGRESS, st.data())
def test_a_state_that_is_changed_anywhere_is_refused_or_reads_as_much(progress: Progress, data: st.DataObject) -> None:
    state = json.loads(json.dumps(dump(progress)))
    changed = deepcopy(state)
    for _ in range(data.draw(st.integers(1, 3))):
        found = [path for path in places(changed) if path]
        if found:
            path = data.draw(st.sampled_from(found))
            data.draw(st.sampled_from(MUTATIONS))(at(changed, path[:-1]), path[-1])
    assume("saved" in changed or not changed or changed.keys() != {"updated_at"})  # else people may have written it
    try:
        read = loaded(changed)
    except ConfigError as error:
        assert "The saved state of the stream deals cannot be read" in str(error)  # noqa: PT017
    else:
        assert reads_at_least(read, progress), changed


@given(PROGRESS)
def test_a_state_is_read_as_it_was_saved(progress: Progress) -> None:
    read = loaded(dump(progress))
    assert (read.watermark, read.begun, read.pending, read.newest, read.postdated) == (
        progress.watermark,
        progress.begun,
        progress.pending,
        progress.newest,
        progress.postdated,
    )


@given(PROGRESS)
def test_a_state_of_another_stream_is_refused(progress: Progress) -> None:
    with pytest.raises(ConfigError, match=r"of the stream contacts cannot be read: .*Clear the stream's state"):
        loaded(dump(progress), stream="contacts")


def of_another_version(state: State) -> State:
    return {**state, "saved": {**state["saved"], "version": 6}}


def test_a_state_of_a_later_version_is_refused() -> None:
    with pytest.raises(ConfigError):
        loaded(of_another_version(dump(Progress("deals", "updated_at", None, 300, THEN))))


LEFT = {"deletions_since": DAY_BEFORE, "changes_since": TEXT}
SPAN = [[DAY_BEFORE, TEXT]]


def test_a_state_that_was_saved_by_an_earlier_program_is_read() -> None:
    """The text of one, so that no later program writes and reads another form."""
    saved = {"stream": "deals", "version": 5, "digest": "32a3565ab66e05c451b2da9d694d7a0c"}
    state = {
        "updated_at": TEXT,
        "begun": DAY_BEFORE,
        "pending": {
            "leads": {
                "seconds": SPAN,
                **LEFT,
                "resume": {"since": DAY_BEFORE, "checkpoint": {"position": 9, "after_id": 7}},
                "partial_second": {"since": TEXT, "checkpoint": {"position": 250, "after_id": 8}},
            }
        },
        "newest": {"leads": TEXT, "contacts": DAY_BEFORE},
        "postdated": {"leads/5": {"at": TEXT, "dated": DAY_BEFORE}},
        "saved": saved,
    }
    read = loaded(state)
    day_before = THEN - 86_400
    assert (read.watermark, read.begun) == (THEN, day_before)
    assert read.pending == {
        "leads": ReadPlan(
            IntervalSet(((day_before, THEN),)),
            ResumePoint(day_before, PageCheckpoint(9, 7)),
            day_before,
            THEN,
            partial_second=ResumePoint(THEN, PageCheckpoint(250, 8)),
        )
    }
    assert read.newest == {"leads": THEN, "contacts": day_before}
    assert read.postdated == {"leads/5": Version(THEN, day_before)}


def test_a_state_of_an_earlier_version_is_refused_by_one_sentence() -> None:
    saved = {"stream": "deals", "version": 3, "digest": "9ad8bd5532afd6646fc8952f1b309657"}
    with pytest.raises(ConfigError) as refused:
        loaded({"updated_at": TEXT, "postdated": {"leads/5": {"at": TEXT, "own": DAY_BEFORE}}, "saved": saved})
    assert str(refused.value) == (
        "The saved state of the stream deals cannot be read: it is not as this connector has saved it for this stream, "
        "so it is not known what was delivered before. Clear the stream's state (in Airbyte: the connection's "
        "Settings, “Clear data”, or a refresh of the stream) and sync again. To read from a day on, give the plain "
        'form: {"updated_at": "2026-01-31T00:00:00Z"}.'
    )


@pytest.mark.parametrize("text", [TEXT, "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_plain_form_is_a_time_as_states_tell_it(text: str) -> None:
    read = loaded({"updated_at": text})
    assert iso(read.watermark or 0) == text
    assert (read.pending, read.newest, read.postdated) == ({}, {}, {})


@pytest.mark.parametrize(
    "part",
    [
        {"pending": {}},
        {"newest": {}},
        {"postdated": {}},
        {"unknown": 1},
        {"saved": None},
        {"saved": {"stream": "deals", "version": 3, "digest": ""}},
        {"pending": {"leads": {"seconds": SPAN, **LEFT}}},
        {"newest": {"leads": TEXT}},
        {"postdated": {"leads/5": {"at": TEXT, "dated": DAY_BEFORE}}},
    ],
)
def test_nothing_but_the_plain_form_is_read_unless_it_was_saved(part: State) -> None:
    with pytest.raises(ConfigError):
        loaded({"updated_at": TEXT, **part})


@pytest.mark.parametrize(
    "part",
    [
        {"pending": {"contacts": ReadPlan(IntervalSet(((THEN, THEN),)), None, THEN, THEN)}},
        {"newest": {"contacts": THEN}},
        {"postdated": {"contacts/3": Version(THEN, THEN)}},
    ],
)
def test_a_saved_state_that_tells_of_another_list_is_refused(part: State) -> None:
    saved = dump(Progress("deals", "updated_at", None, 300, THEN, **part))
    load("deals", "updated_at", LISTS, saved, None, 300)
    with pytest.raises(ConfigError):
        load("deals", "updated_at", ["leads"], saved, None, 300)


@pytest.mark.parametrize(
    "cursor",
    [
        *(-1, THEN, THEN * 1_000, float("inf"), None, [], {}),
        *("", "now", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14T22:13:20+03:00", "1969-12-31T23:59:59Z"),
    ],
)
def test_a_cursor_that_is_no_time_is_refused(cursor: Any) -> None:
    with pytest.raises(ConfigError):
        load("deals", "updated_at", LISTS, {"updated_at": cursor}, None, 300)
