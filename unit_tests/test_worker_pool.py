"""Threads that prefetch are no more than work at once."""

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
