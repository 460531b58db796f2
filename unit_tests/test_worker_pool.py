"""Threads that prefetch are no more than work at once, and take no task after the end."""

from __future__ import annotations

import threading

from source_amocrm.walk.worker_pool import WorkerPool


def test_a_task_starts_no_thread_while_one_is_idle() -> None:
    pool = WorkerPool(8, lambda: 100)
    assert len({pool.submit(threading.get_ident).result() for _ in range(20)}) == 1
    pool.shut_down()


def test_a_task_starts_a_thread_while_all_are_busy() -> None:
    pool, together = WorkerPool(3, lambda: 100), threading.Barrier(3)
    tasks = [pool.submit(lambda: together.wait(10)) for _ in range(3)]
    assert sorted(task.result() for task in tasks) == [0, 1, 2]
    pool.shut_down()


def test_a_task_that_must_not_queue_is_taken_only_by_a_free_worker() -> None:
    pool, ended = WorkerPool(1, lambda: 100), threading.Event()
    busy = pool.submit_if_free(lambda: ended.wait(10))
    assert busy
    assert pool.submit_if_free(threading.get_ident) is None
    ended.set()
    assert busy.result()
    free = pool.submit_if_free(threading.get_ident)
    assert free
    free.result()
    pool.shut_down()


def test_a_task_after_the_end_is_cancelled_so_that_nobody_waits_for_it() -> None:
    pool = WorkerPool(1, lambda: 100)
    pool.shut_down()
    assert pool.submit(threading.get_ident).cancelled()
    assert pool.submit_if_free(threading.get_ident) is None
    assert pool.prefetch(threading.get_ident)() == threading.get_ident(), "who needs it does it"
