from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise

import pytest

from source_amocrm.errors import Blocked
from source_amocrm.http.rate_limit import Budget
from unit_tests.http_tools import FakeClock, turn_of

TURN = 1.018 / 7


def turn(refusals: int) -> float:
    """The pace in quiet times of a sync that was refused so many times."""
    return min(1.06, 1.018 + 0.008 * refusals) / 7


def budget(rate: float, clock: FakeClock) -> Budget:
    return Budget(rate, clock=clock, sleep=clock.sleep)


def take(paced: Budget) -> None:
    """A turn that is used at once."""
    with turn_of(paced) as slot:
        slot.left()


def most_in_a_second(times: list[float]) -> int:
    times = sorted(times)
    return max(sum(start <= one < start + 1.0 for one in times) for start in times)


def times_of(count: int, clock: FakeClock, ask: Callable[[], None]) -> list[float]:
    times = []
    for _ in range(count):
        ask()
        times.append(clock())
    return times


def test_the_first_goes_at_once_and_the_rest_are_paced() -> None:
    clock = FakeClock()
    times = times_of(4, clock, partial(take, budget(7, clock)))
    assert times == pytest.approx([0.0, TURN, 2 * TURN, 3 * TURN])


def test_an_answer_much_later_than_any_of_late_counts_as_asked_later() -> None:
    """A server that was busy with itself has counted the request when it looked at it."""
    clock = FakeClock()
    paced = budget(7, clock)
    for elapsed in (0.5, 0.55, 0.57):
        with turn_of(paced) as slot:
            slot.left()
            paced.answered(slot, elapsed)
    with turn_of(paced) as slot:
        slot.left()
        late = clock()
        paced.answered(slot, 0.67)
    times = times_of(7, clock, partial(take, paced))
    assert times[-2] == pytest.approx(9 * TURN)
    assert times[-1] == pytest.approx(late + 0.1 + 7 * TURN)


def test_an_idle_time_saves_up_nothing() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    clock.now = 100.0
    times = times_of(4, clock, partial(take, paced))
    assert times == pytest.approx([100.0, 99.98 + TURN, 99.98 + 2 * TURN, 99.98 + 3 * TURN])


@pytest.mark.parametrize("rate", [1, 2.5, 7, 50])
def test_the_loss_is_below_two_per_cent(rate: float) -> None:
    clock = FakeClock()
    count = int(rate * 60)
    times = times_of(count, clock, partial(take, budget(rate, clock)))
    assert times[-1] <= (count - 1) / rate * 1.02
    if rate >= 7:
        assert most_in_a_second(times) <= rate


def test_late_departures_never_make_eight_in_a_second() -> None:
    """New connections and a busy machine: up to 0.3 s pass between a turn and the request's leaving."""
    chance = random.Random(1)
    clock = FakeClock()
    paced = budget(7, clock)
    left = []
    for _ in range(500):
        with turn_of(paced) as slot:
            clock.sleep(chance.choice([0, 0, 0, 0.001, 0.02, 0.3]))
            slot.left()
            left.append(clock())
            clock.sleep(chance.choice([0, 0.01]))
    assert most_in_a_second(left) <= 7


def test_a_turn_that_has_not_left_counts_as_leaving_now() -> None:
    clock = FakeClock()
    late = ExitStack()

    def nap(seconds: float) -> None:
        late.close()
        clock.sleep(seconds)

    paced = Budget(2, clock=clock, sleep=nap)
    late.enter_context(turn_of(paced))
    clock.now = 1.0
    late.enter_context(turn_of(paced))
    clock.now = 50.0
    take(paced)
    assert clock.now == pytest.approx(51.018, abs=0.01)


def test_a_slot_leaves_once_and_at_the_end_of_its_block_at_the_latest() -> None:
    clock = FakeClock(5.0)
    paced = budget(7, clock)
    with turn_of(paced) as slot:
        slot.left()
        clock.now = 6.0
        slot.left()
    assert slot.time == 5.0
    with turn_of(paced) as slot:
        clock.now = 7.0
    assert slot.time == 7.0


def test_threads_are_served_in_the_order_of_their_coming() -> None:
    clock = FakeClock()
    gate = threading.Semaphore(0)

    def sleep(seconds: float) -> None:
        gate.acquire()
        clock.sleep(seconds)

    paced = Budget(7, clock=clock, sleep=sleep)
    take(paced)
    served: list[int] = []
    threads = []

    def work(number: int) -> None:
        take(paced)
        served.append(number)

    for number in range(20):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        threads.append(thread)
        while len(paced._queue) <= number:
            pass
    for _ in range(200):
        gate.release()
    for thread in threads:
        thread.join()
    assert served == list(range(20))


def test_fifty_threads_share_one_pace() -> None:
    clock = FakeClock()
    paced = budget(50, clock)
    times: list[float] = []

    def work() -> None:
        for _ in range(10):
            with turn_of(paced) as slot:
                slot.left()
                times.append(slot.time or 0.0)

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 500
    assert most_in_a_second(times) <= 50
    assert max(times) <= 499 / 50 * 1.02


def test_waiting_is_counted() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    times_of(3, clock, partial(take, paced))
    assert paced.waited == pytest.approx(2 * TURN)


def test_a_pause_holds_for_all_and_ends_without_a_burst() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    paced.pause(30)
    times = times_of(3, clock, partial(take, paced))
    assert times == pytest.approx([30.0, 30 + 1.1 * turn(1), 30 + 2.2 * turn(1)])


def test_a_longer_pause_wins_and_a_burst_of_429_slows_once() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    for seconds in (5, 60, 10):
        paced.pause(seconds)
    times = times_of(2, clock, partial(take, paced))
    assert times == pytest.approx([60.0, 60 + 1.1 * turn(1)])


def test_the_pace_comes_back_step_by_step() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    for _ in range(2):
        paced.pause(1)
        clock.now += 1
    gaps = []
    for _ in range(200):
        before = clock()
        take(paced)
        gaps.append(clock() - before)
    assert gaps[1] == pytest.approx(1.1 * 1.25 * turn(2))
    assert gaps[40] == pytest.approx(1.25 * turn(2))
    assert gaps[-1] == pytest.approx(turn(2))
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(gaps[1:]))


def test_repeated_429_slow_down_to_a_limit() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    for _ in range(20):
        take(paced)
        paced.pause(1)
        clock.now += 1
    times = times_of(2, clock, partial(take, paced))
    assert times[1] - times[0] == pytest.approx(10 * turn(20))


def test_once_shut_nobody_goes() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    error = Blocked("blocked", status=403)
    paced.shut(error)
    with pytest.raises(Blocked, match="blocked") as caught:
        take(paced)
    assert caught.value is not error
    assert caught.value.status == 403
    with pytest.raises(Blocked), turn_of(paced):
        pass


def test_who_waits_out_a_pause_hears_that_the_budget_was_shut() -> None:
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        paced.shut(Blocked("blocked"))

    paced = Budget(7, clock=clock, sleep=sleep)
    paced.pause(600)
    with pytest.raises(Blocked):
        take(paced)
    assert clock.now == 1.0


def test_a_pause_is_told_once_however_many_ask_for_it() -> None:
    clock = FakeClock()
    budget = Budget(7, clock, clock.sleep)
    told: list[float] = []
    budget.on_pause = told.append
    for seconds in (3, 2, 5):
        budget.pause(seconds)
    clock.sleep(5)
    budget.pause(4)
    assert told == [3, 4]
