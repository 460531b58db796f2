"""What a stream has delivered, what it must still be asked for, and that its state says both."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.dates import LAST_SECOND
from source_amocrm.engine.read_plan import (
    BEGINNING,
    MOST_INCOMPLETE,
    Progress,
    ReadPlan,
    ResumePoint,
    Version,
    agree,
    merged,
)
from source_amocrm.engine.state import dump, load
from source_amocrm.errors import ConfigError
from source_amocrm.walk.intervals import FOREVER, Interval, IntervalSet
from source_amocrm.walk.listing import Page, PageCheckpoint

DAY = 86_400
THEN = 1_700_000_000
MARK = PageCheckpoint(position=30, after_id=17)
LISTS = ["leads", "contacts", "customers"]
SECONDS = range(THEN, THEN + 60)


def progress(start: int | None = None, lookback: int = 300) -> Progress:
    return Progress("deals", "updated_at", start, lookback)


def ever(since: int) -> IntervalSet:
    return IntervalSet(((since, FOREVER),))


def saved(one: Progress, start: int | None = None) -> Progress:
    """As the next sync finds it."""
    return load(one.stream, one.cursor, LISTS, json.loads(json.dumps(dump(one))), start, one.lookback)


def test_the_first_sync_needs_everything() -> None:
    plan = progress().plan("leads")
    assert plan == ReadPlan(ever(BEGINNING))
    assert plan.needs_everything
    assert plan.requested_since == BEGINNING


def test_the_first_sync_from_a_date_on() -> None:
    plan = progress(start=THEN).plan("leads")
    assert plan == ReadPlan(ever(THEN), deletions_since=THEN)
    assert not plan.needs_everything


def test_a_later_sync_needs_what_the_look_back_covers() -> None:
    one = progress(lookback=300)
    one.begin(["leads"], THEN)
    one.finish("leads")
    since = THEN - 300
    plan = saved(one).plan("leads")
    assert plan == ReadPlan(ever(since), deletions_since=since, changes_since=since)
    assert not plan.needs_everything


def test_requests_begin_with_the_newest_known_row_so_that_an_empty_response_is_false() -> None:
    one = progress(lookback=300)
    one.begin(["leads"], THEN)
    one.note_newest("leads", [THEN - DAY])
    one.note_newest("leads", [THEN - 2 * DAY])
    one.note_newest("leads", [THEN + 1])  # of the future: it may be gone tomorrow
    one.note_newest("leads", [None])
    one.finish("leads")
    plan = saved(one).plan("leads")
    assert (plan.newest, plan.since, plan.requested_since) == (THEN - DAY, THEN - 300, THEN - DAY)


def test_a_newest_row_within_the_look_back_changes_nothing() -> None:
    one = progress(lookback=300)
    one.begin(["leads"], THEN)
    one.note_newest("leads", [THEN - 5])
    one.finish("leads")
    assert saved(one).plan("leads").requested_since == THEN - 300


def test_after_an_unfinished_walk_by_ids_the_newest_row_is_not_known() -> None:
    """It has met rows of any date: to ask from the newest of them would ask for most of the list again."""
    one = progress(lookback=300)
    one.begin(["leads"], THEN)
    one.note_newest("leads", [THEN - 700 * DAY])
    one.cover("leads", Page([], checkpoint=MARK))
    plan = saved(one).plan("leads")
    assert (plan.newest, plan.since, plan.requested_since) == (THEN - 700 * DAY, THEN - 300, THEN - 300)


def test_no_look_back_reaches_before_the_start_date() -> None:
    one = progress(start=THEN, lookback=10 * DAY)
    one.begin(["leads"], THEN + DAY)
    one.finish("leads")
    assert saved(one, start=THEN).plan("leads").since == THEN


def test_a_later_sync_needs_the_pending_seconds_and_the_new_ones() -> None:
    one = progress(lookback=0)
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], (BEGINNING, THEN - DAY)))
    plan = saved(one).plan("leads")
    assert plan.seconds == ever(THEN - DAY + 1)
    assert (plan.deletions_since, plan.changes_since) == (BEGINNING, THEN)


def test_deletions_that_are_not_delivered_stay_pending() -> None:
    one = progress(start=THEN - DAY, lookback=0)
    for second in (THEN, THEN + DAY):
        one.begin(["leads"], second)
        one.finish("leads", deletions_delivered=False)
        one = saved(one, start=THEN - DAY)
        assert one.plan("leads") == ReadPlan(ever(second), deletions_since=THEN - DAY, changes_since=second)
    one.begin(["leads"], THEN + 2 * DAY)
    one.finish("leads")
    assert saved(one).plan("leads").deletions_since == THEN + 2 * DAY


def test_the_newest_of_too_many_incomplete_seconds_are_read_again() -> None:
    one = progress(lookback=0)
    one.begin(["leads"], THEN)
    seconds = [THEN - 2 * number for number in range(MOST_INCOMPLETE + 5)]
    for second in (*seconds, None):
        one.mark_incomplete("leads", second)
    one.finish("leads")
    pending = saved(one).pending["leads"].seconds.intervals
    assert pending == tuple((second, second) for second in sorted(seconds)[5:])


def test_a_walk_by_page_number_is_resumed() -> None:
    one = progress(lookback=0)
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], checkpoint=MARK), taken_since=THEN - DAY)
    plan = saved(one).plan("leads")
    assert plan.resume == ResumePoint(THEN - DAY, MARK)
    assert plan.seconds == IntervalSet(((BEGINNING, THEN - DAY - 1), (THEN, FOREVER)))
    again = saved(one)
    again.begin(["leads"], THEN + DAY)
    again.cover("leads", Page([]), walked=True)
    plan = saved(again).plan("leads")
    assert plan.resume is None
    assert plan.seconds == IntervalSet(((BEGINNING, THEN - DAY - 1), (THEN, FOREVER)))


def test_a_second_of_which_some_rows_are_delivered_is_resumed() -> None:
    crowded = THEN - DAY
    one = progress()
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], (BEGINNING, crowded - 1)))
    one.cover("leads", Page([], checkpoint=MARK, second=crowded))
    one = saved(one)
    assert one.plan("leads").partial_second == ResumePoint(crowded, MARK)
    assert one.plan("leads").since == crowded
    one.begin(["leads"], THEN + DAY)
    assert saved(one).plan("leads").partial_second == ResumePoint(crowded, MARK)
    one.cover("leads", Page([], (crowded, crowded)))
    assert one.plan("leads").partial_second is None
    assert saved(one).pending == one.pending


def test_a_second_that_may_still_change_is_read_from_its_beginning() -> None:
    """Rows that were edited in it since may come before those that were delivered."""
    one = progress()
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], checkpoint=MARK, second=THEN - 10))
    assert one.plan("leads").partial_second is None


def test_streams_that_stopped_at_different_rows_of_a_second_read_it_from_its_beginning() -> None:
    plans = [
        ReadPlan(ever(THEN), partial_second=ResumePoint(THEN, checkpoint))
        for checkpoint in (MARK, PageCheckpoint(40, 23))
    ]
    assert merged(plans[:1] * 2).partial_second == ResumePoint(THEN, MARK)
    assert merged(plans).partial_second is None


def test_what_one_stream_has_to_read_again_is_read_for_all() -> None:
    plans = [ReadPlan(ever(THEN), read_again=frozenset(cards)) for cards in ((1, 2), (2, 3), ())]
    assert merged(plans).read_again == {1, 2, 3}


def test_a_list_that_the_account_lacks_for_now_stays_to_be_read() -> None:
    one = progress(lookback=0)
    one.begin(["customers"], THEN)
    one.postpone("customers")
    plan = saved(one).plan("customers")
    assert plan.since == BEGINNING
    assert (plan.deletions_since, plan.changes_since) == (THEN, THEN), "of a list that never brought a row"


@pytest.mark.parametrize("changed", [THEN - 5, THEN + 5], ids=["before the sync", "while it ran"])
def test_the_deletions_of_a_list_are_read_once_the_account_has_it_again(changed: int) -> None:
    one = progress(lookback=0)
    one.begin(["customers"], THEN)
    one.note_newest("customers", [changed])
    one.finish("customers")
    two = saved(one)
    two.begin(["customers"], THEN + DAY)
    two.postpone("customers")
    plan = saved(two).plan("customers")
    assert (plan.deletions_since, plan.changes_since) == (THEN, THEN)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 8),
            st.lists(st.tuples(st.sampled_from(SECONDS), st.sampled_from(SECONDS)), max_size=4),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 5),
)
def test_whatever_was_covered_and_killed_nothing_is_forgotten(
    syncs: list[tuple[int, list[Interval], bool]], lookback: int
) -> None:
    """Against a model: the seconds of each sync and of its look-back, less those that its pages have covered."""
    one, now, missing = progress(lookback=lookback), THEN - 1, set[int]()
    for passed, covered, finished in syncs:
        missing |= set(range(max(now - lookback, THEN), now + passed + 1))
        now += passed
        one.begin(["leads"], now)
        for low, high in covered:
            one.cover("leads", Page([], (low, high)))
            missing -= set(range(low, high + 1))
        if finished:
            one.finish("leads")
            missing = set()
        one = saved(one)
        needed = {second for second in SECONDS if second in one.plan("leads").seconds}
        assert needed == {second for second in SECONDS if second in missing or second >= now - lookback}


SECOND = st.integers(THEN - 5, THEN + 20)


@given(st.lists(st.tuples(SECOND, st.booleans(), st.sampled_from([BEGINNING, THEN + 3])), max_size=12))
def test_a_version_of_a_row_is_dated_later_than_others_that_were_delivered(
    versions: list[tuple[int, bool, int]],
) -> None:
    one, delivered = progress(), []
    for second, postdated, at_least in versions:
        dated = one.date("leads", 7, second, postdated, at_least)
        assert dated is not None
        assert dated >= max(second, at_least)
        delivered.append((second, dated, postdated or dated > second))
        one.begin([], THEN)
        one = saved(one)
    for (second, dated, beyond), (other, following, _) in pairwise(delivered):
        assert following >= dated or not beyond
        assert following > dated or second == other or not beyond


def test_a_version_that_is_read_again_keeps_its_date() -> None:
    """So that the streams that are joined by it agree, whichever of them reads it again."""
    one = progress()
    dates = [
        one.date("leads", 7, second, second > THEN) or 0
        for second in (THEN + DAY, THEN + DAY, THEN - 9, THEN - 9, THEN - 5, THEN + DAY, LAST_SECOND, LAST_SECOND, THEN)
    ]
    assert [date - THEN - DAY for date in dates[:6]] == [0, 0, 1, 1, 2, 3]
    assert dates[6:] == [LAST_SECOND] * 3, "no date is later"


def test_an_undated_row_is_left_as_it_is() -> None:
    assert progress().date("leads", 7, None, at_least=THEN + 5) is None


def test_a_state_must_hold_a_row_that_is_ahead_before_the_row_is_delivered() -> None:
    one = progress()
    one.date("leads", 7, THEN + DAY)
    assert not one.unsaved
    for name, told_before in (("leads", False), ("leads", True), ("contacts", False)):
        one.date(name, 7, THEN + DAY, postdated=True)
        assert one.unsaved is not told_before
        one.unsaved = False
    one.date("leads", 7, THEN)
    assert one.unsaved
    assert one.date("leads", 8, THEN) == THEN
    ahead = {"leads/7": Version(THEN + DAY + 1, THEN), "contacts/7": Version(THEN + DAY, THEN + DAY)}
    assert one.postdated == ahead, "and of no other row"


def test_a_resumed_walk_does_not_cover_the_rows_that_it_passed_before() -> None:
    """What was changed since among the rows that it passed in an earlier sync is still to be read."""
    one = progress(lookback=0)
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], checkpoint=MARK))
    one = saved(one)
    one.begin(["leads"], THEN + DAY)
    further = PageCheckpoint(position=60, after_id=40)
    one.cover("leads", Page([], checkpoint=further))
    plan = saved(one).plan("leads")
    assert plan.resume == ResumePoint(BEGINNING, further)
    assert plan.seconds == ever(THEN)


def in_a_walk(checkpoint: PageCheckpoint, since: int = BEGINNING) -> Progress:
    """A stream that was killed in the middle of a walk."""
    one = progress(lookback=0)
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], checkpoint=checkpoint), since)
    return saved(one)


def test_streams_of_one_list_resume_at_the_earliest_of_their_checkpoints() -> None:
    behind, before = in_a_walk(MARK), in_a_walk(PageCheckpoint(90, 99), THEN - DAY)
    finished = progress(lookback=0)
    finished.begin(["leads"], THEN - 5)
    finished.finish("leads")
    several = [before, behind, finished]
    agree(several, "leads")
    walk = ResumePoint(BEGINNING, MARK)
    plans = [one.plan("leads") for one in several]
    assert [plan.resume for plan in plans] == [walk, walk, walk]
    assert merged(plans).resume == walk
    assert plans[2].seconds == ever(THEN - 5)


def test_a_new_stream_of_a_list_makes_all_read_it_from_the_beginning() -> None:
    behind, new = in_a_walk(MARK, THEN - DAY), progress()
    agree([behind, new], "leads")
    assert (behind.plan("leads").resume, new.plan("leads").resume) == (None, None)
    assert behind.plan("leads").seconds == ever(BEGINNING)
    assert behind.plan("leads").changes_since == THEN


def test_streams_of_one_list_have_one_merged_plan() -> None:
    first, later = ReadPlan(ever(BEGINNING)), ReadPlan(ever(THEN), None, THEN, THEN, THEN - 5)
    assert merged([later, later]) == later
    assert merged([first, later]) == ReadPlan(ever(BEGINNING), None, BEGINNING, THEN, THEN - 5)
    other = ReadPlan(IntervalSet(((THEN - 9, THEN - 7),)), None, THEN - 9, THEN - 9, THEN - 8)
    assert merged([later, other]) == ReadPlan(
        IntervalSet(((THEN - 9, THEN - 7), (THEN, FOREVER))), None, THEN - 9, THEN - 9, THEN - 8
    )


def test_streams_of_one_list_date_its_rows_alike() -> None:
    one, two = progress(), progress()
    older, newer = Version(THEN, THEN), Version(THEN + 1, THEN - 9)
    one.postdated, two.postdated = {"leads/7": older, "leads/8": older}, {"leads/7": newer}
    agree([one, two], "leads")
    assert one.postdated == two.postdated == {"leads/7": newer, "leads/8": older}
    one.date("leads", 7, THEN + 2)
    assert two.postdated == {"leads/7": newer, "leads/8": older}, "each keeps its own"


def test_the_state_of_a_sync_that_was_killed() -> None:
    one = progress(lookback=0)
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], (BEGINNING, THEN - DAY)))
    one.note_newest("leads", [THEN - DAY])
    one.postdated["leads/5"] = Version(THEN + DAY, THEN)
    state = dump(one)
    saved_as = state.pop("saved")
    assert (saved_as["stream"], saved_as["version"]) == ("deals", 5)
    assert state == {
        "updated_at": "2023-11-14T22:13:20Z",
        "begun": "2023-11-14T22:13:20Z",
        "pending": {
            "leads": {
                "seconds": [["2023-11-13T22:13:21Z", "2023-11-14T22:13:20Z"]],
                "deletions_since": "1970-01-01T00:00:00Z",
                "changes_since": "2023-11-14T22:13:20Z",
            }
        },
        "newest": {"leads": "2023-11-13T22:13:20Z"},
        "postdated": {"leads/5": {"at": "2023-11-15T22:13:20Z", "dated": "2023-11-14T22:13:20Z"}},
    }
    again = saved(one)
    assert (again.watermark, again.begun, again.pending, again.newest, again.postdated) == (
        one.watermark,
        one.begun,
        one.pending,
        one.newest,
        one.postdated,
    )


def test_a_state_of_the_future_is_restarted() -> None:
    """All is read, and all that was delivered may have changed; what is dated ahead is still so."""
    for done, doubted in ((THEN + 300, False), (THEN + 301, True)):
        one = progress(start=THEN - DAY)
        one.watermark, one.newest, one.postdated = done, {"leads": THEN + 9}, {"leads/5": Version(done, done)}
        assert one.in_the_future(THEN) is doubted
    one.restart_from_the_future(THEN)
    since = THEN - DAY
    assert one.plan("leads") == ReadPlan(ever(since), None, since, since)
    assert one.postdated == {"leads/5": Version(THEN + 301, THEN + 301)}


def test_a_state_of_the_future_by_one_clock_is_obeyed_and_restarted_by_the_next_sync() -> None:
    one = progress(lookback=0)
    one.watermark = THEN + DAY
    plan = one.plan("leads")
    one.begin(["leads"], THEN)
    one.cover("leads", Page([], (THEN - 9, FOREVER)))
    one.finish("leads")
    assert plan.seconds == ever(THEN + DAY)
    assert one.watermark == THEN
    plan = saved(one).plan("leads")
    assert plan.seconds == IntervalSet(((BEGINNING, THEN - 10), (THEN, FOREVER)))
    assert (plan.deletions_since, plan.changes_since) == (BEGINNING, BEGINNING)
    again = saved(one)
    again.begin(["leads"], THEN + 1)
    again.finish("leads")
    assert saved(again).plan("leads").seconds == ever(THEN + 1)


def test_the_plain_state_is_complete() -> None:
    one = load("deals", "updated_at", ["leads"], {"updated_at": "2023-11-14T22:13:20Z"}, None, 0)
    assert (one.watermark, one.pending) == (THEN, {})


@pytest.mark.parametrize("state", [None, {}, {"__ab_no_cursor_state_message": True}])
def test_no_state(state: dict[str, Any] | None) -> None:
    assert load("deals", "updated_at", ["leads"], state, None, 0).watermark is None


@pytest.mark.parametrize(
    "state",
    [
        {"created_at": "2023-11-14T22:13:20Z"},
        {"updated_at": "yesterday"},
        {"updated_at": None},
        {"updated_at": True},
        {"updated_at": "PT5M"},
        {"updated_at": "10:00"},
        {"updated_at": THEN * 1_000},
        {"updated_at": THEN, "pending": {"leads": {"seconds": [[1]]}}},
        {"updated_at": THEN, "pending": {"leads": {"seconds": [], "deletions_since": 1}}},
        {"updated_at": THEN, "newest": {"leads": []}},
        {"updated_at": THEN, "postdated": "x"},
        {"updated_at": THEN, "postdated": {"5": {"at": THEN}}},
    ],
)
def test_a_state_that_cannot_be_read(state: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"The saved state of the stream deals cannot be read.*Clear"):
        load("deals", "updated_at", ["leads"], state, None, 0)


WALK = st.one_of(
    st.none(), st.builds(ResumePoint, SECOND, st.builds(PageCheckpoint, st.integers(0, 99), st.integers(0, 99)))
)


@given(st.lists(st.tuples(SECOND, SECOND), max_size=4), WALK, SECOND, SECOND, WALK, st.frozensets(st.integers(1, 99)))
def test_pending_seconds_survive_their_state(
    intervals: list[Interval],
    walk: ResumePoint | None,
    gone: int,
    changed: int,
    within: ResumePoint | None,
    again: frozenset[int],
) -> None:
    one = progress()
    one.begin([], THEN + 20)
    seconds = IntervalSet.of(intervals)
    one.pending["leads"] = ReadPlan(seconds, walk, gone, changed, partial_second=within, read_again=again)
    assert saved(one).pending == one.pending
