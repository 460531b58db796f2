from __future__ import annotations

import heapq
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from source_amocrm.errors import Blocked
from source_amocrm.http.rate_limit import Budget
from testing.http_tools import FakeClock, turn_of

PERIOD = 1.08
TURN = PERIOD / 7


def budget(rate: float, clock: FakeClock, sleep: Callable[[float], None] | None = None) -> Budget:
    return Budget(rate, clock=clock, sleep=sleep or clock.sleep)


def take(paced: Budget) -> None:
    """A turn that is used at once."""
    with turn_of(paced) as request:
        paced.departed(request)


def most_in_a_second(times: list[float]) -> int:
    times = sorted(times)
    return max(sum(start <= one < start + 1.0 for one in times) for start in times)


def times_of(count: int, clock: FakeClock, ask: Callable[[], None]) -> list[float]:
    times = []
    for _ in range(count):
        ask()
        times.append(clock())
    return times


def test_the_first_request_leaves_at_once_and_the_rest_are_paced() -> None:
    clock = FakeClock()
    times = times_of(4, clock, partial(take, budget(7, clock)))
    assert times == pytest.approx([0.0, TURN, 2 * TURN, 3 * TURN])


class Network:
    """A clock and a server behind a network that lets requests arrive up to `jitter` seconds early or late.

    The server takes seven in any second, each for a time within `work`, and refuses others.
    """

    def __init__(self, jitter: float, work: tuple[float, float], seed: int) -> None:
        self.now = 0.0
        self.sent = 0
        self.refused: list[int] = []
        """How many had been sent when one was."""
        self._accepted: deque[float] = deque([-1.0] * 7, maxlen=7)
        self._chance = random.Random(seed)
        self._jitter, self._work = jitter, work
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.budget = Budget(7, clock=lambda: self.now, sleep=self._sleep)

    def ask(self, count: int) -> float:
        """Seconds that so many turns took."""
        started = self.now
        for _ in range(count):
            request = object()
            self.budget.acquire_call(request)
            self.budget.departed(request)
            self.sent += 1
            way = self._chance.uniform(0, 2 * self._jitter)
            self._at(self.now + way, partial(self._arrive, request, way))
        return self.now - started

    def _at(self, moment: float, what: Callable[[], None]) -> None:
        self._serial = getattr(self, "_serial", 0) + 1
        heapq.heappush(self._events, (moment, self._serial, what))

    def _arrive(self, request: object, way: float) -> None:
        if self.now < self._accepted[0] + 1.0:
            self.refused.append(self.sent)
            self.budget.update_from_response(request, None)
            self.budget.pause(1.0)
            return
        self._accepted.append(self.now)
        took = self._chance.uniform(*self._work)
        elapsed = way + took
        answer = requests.Response()
        answer.status_code, answer.elapsed = 200, timedelta(seconds=elapsed)
        self._at(self.now - way + elapsed, partial(self.budget.update_from_response, request, answer))

    def _sleep(self, seconds: float) -> None:
        """Until something happens, or so long."""
        until = self.now + seconds
        if self._events and self._events[0][0] <= until:
            moment, _, happens = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            happens()
        else:
            self.now = until


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    jitter=st.floats(0.0, 0.039),
    fastest=st.floats(0.05, 0.9),
    varies=st.sampled_from([0.0, 0.001, 0.25, 3.0]),
    seed=st.integers(0, 999),
)
def test_an_uneven_network_never_makes_eight_in_a_second(
    jitter: float, fastest: float, varies: float, seed: int
) -> None:
    network = Network(jitter, (fastest, fastest + varies), seed)
    took = network.ask(700)
    assert network.refused == []
    assert took <= 699 / 7 * (PERIOD + 0.002)


@pytest.mark.parametrize("jitter", [0.05, 0.08, 0.12, 0.2])
def test_on_a_network_less_even_than_that_one_request_in_five_hundred_is_refused(jitter: float) -> None:
    network = Network(jitter, (0.3, 0.55), 1)
    network.ask(5_000)
    assert len(network.refused) <= 10
    assert network.now <= 5_000 / 7 * 1.45


def test_an_idle_time_saves_up_nothing() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    clock.now = 100.0
    times = times_of(4, clock, partial(take, paced))
    assert times == pytest.approx([100.0, 99.98 + TURN, 99.98 + 2 * TURN, 99.98 + 3 * TURN])


@pytest.mark.parametrize("rate", [1, 2.5, 7, 50])
def test_the_loss_is_what_the_margin_takes_of_a_second(rate: float) -> None:
    clock = FakeClock()
    count = int(rate * 60)
    times = times_of(count, clock, partial(take, budget(rate, clock)))
    window = int(rate)
    assert times[-1] == pytest.approx((count - 1) / rate * (1 + 0.08 * rate / window))
    if rate >= 7:
        assert most_in_a_second(times) <= rate


def test_late_departures_never_make_eight_in_a_second() -> None:
    """New connections and a busy machine: up to 0.3 s pass between a turn and the request's leaving."""
    chance = random.Random(1)
    clock = FakeClock()
    paced = budget(7, clock)
    left = []
    for _ in range(500):
        with turn_of(paced) as request:
            clock.sleep(chance.choice([0, 0, 0, 0.001, 0.02, 0.3]))
            paced.departed(request)
            left.append(clock())
            clock.sleep(chance.choice([0, 0.01]))
    assert most_in_a_second(left) <= 7


def test_a_request_that_has_not_left_counts_as_leaving_now() -> None:
    clock = FakeClock()
    late = ExitStack()

    def nap(seconds: float) -> None:
        late.close()
        clock.sleep(seconds)

    paced = budget(2, clock, nap)
    late.enter_context(turn_of(paced))
    clock.now = 1.0
    late.enter_context(turn_of(paced))
    clock.now = 50.0
    take(paced)
    assert clock.now == pytest.approx(50 + PERIOD, abs=0.01)


def test_a_request_leaves_once_and_at_the_latest_when_its_turn_ends() -> None:
    clock = FakeClock(5.0)
    paced = budget(7, clock)
    with turn_of(paced) as request:
        paced.departed(request)
        clock.now = 6.0
        paced.departed(request)
    with turn_of(paced):
        clock.now = 7.0
    assert [slot.left for slot in paced._recent] == [5.0, 7.0]


def test_threads_are_served_first_come_first_served() -> None:
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
        thread, before = threading.Thread(target=work, args=(number,)), paced._last
        thread.start()
        threads.append(thread)
        while paced._last is before:
            pass
    for _ in range(200):
        gate.release()
    for thread in threads:
        thread.join()
    assert served == list(range(20))


def test_fifty_threads_share_one_pace() -> None:
    """Each request leaves with its turn: no time passes until the scheduler lets it."""
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        while any(slot.left == math.inf for slot in paced._recent):
            time.sleep(0)
        clock.sleep(seconds)

    paced = budget(50, clock, sleep)
    times: list[float] = []

    def work() -> None:
        for _ in range(10):
            with turn_of(paced) as request:
                paced.departed(request)
                times.append(paced._slots[request].left)

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 500
    assert most_in_a_second(times) <= 50
    assert max(times) <= 499 / 50 * 1.09


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
    assert times == pytest.approx([30.0, 30 + 1.1 * TURN, 30 + 2.2 * TURN])


def test_a_longer_pause_wins_and_a_burst_of_429_slows_once() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    for seconds in (5, 60, 10):
        paced.pause(seconds)
    times = times_of(2, clock, partial(take, paced))
    assert times == pytest.approx([60.0, 60 + 1.1 * TURN])


def test_the_pace_comes_back_step_by_step() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    take(paced)
    for _ in range(2):
        paced.pause(1)
        clock.now += 1
    gaps = []
    for _ in range(2_000):
        before = clock()
        take(paced)
        gaps.append(clock() - before)
    assert gaps[1] == pytest.approx(1.1 * 1.1 * TURN)
    assert gaps[800] == pytest.approx(1.1 * TURN)
    assert gaps[-1] == pytest.approx(TURN)
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(gaps[1:]))


def test_repeated_429_slow_down_to_a_limit() -> None:
    clock = FakeClock()
    paced = budget(7, clock)
    for _ in range(20):
        take(paced)
        paced.pause(1)
        clock.now += 1
    times = times_of(2, clock, partial(take, paced))
    assert times[1] - times[0] == pytest.approx(4 * TURN)


def test_a_shut_budget_lets_no_request_leave() -> None:
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


def test_a_thread_that_waits_out_a_pause_learns_that_the_budget_was_shut() -> None:
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        paced.shut(Blocked("blocked"))

    paced = Budget(7, clock=clock, sleep=sleep)
    paced.pause(600)
    with pytest.raises(Blocked):
        take(paced)
    assert clock.now == 1.0


def test_on_pause_is_called_once_for_a_burst_of_429() -> None:
    clock = FakeClock()
    budget = Budget(7, clock, clock.sleep)
    told: list[float] = []
    budget.on_pause = told.append
    for seconds in (3, 2, 5):
        budget.pause(seconds)
    clock.sleep(5)
    budget.pause(4)
    assert told == [3, 4]
