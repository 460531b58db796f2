"""Several accounts at a time, each worked on by a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from amocrm_fleet.folder import Account

Told = TypeVar("Told")


def each(
    work: Callable[[Account], Told],
    chosen: Iterable[Account],
    parallel: int,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Account, Told]]:
    """What `work` tells of each account, as it comes; a thread only waits for the account's process.

    An interrupt calls `stop`, and waits for what is under way.
    """
    with ThreadPoolExecutor(parallel) as pool:
        waiting = {pool.submit(work, account): account for account in chosen}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
