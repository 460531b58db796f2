"""Runs the connector against a sandbox: in this process without sockets, or as the real command over HTTP."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import requests
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
    Type,
)

from sandbox import ManualClock, Sandbox, SandboxAdapter, Server
from source_amocrm import http
from source_amocrm.config import Config
from source_amocrm.errors import AmocrmError
from source_amocrm.http import Api
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.session import AmocrmSession
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import STREAMS

from .forked import Forked
from .leaks import clean
from .offline import airbyte_stream

COMMAND = Path(sys.executable).parent / "source-amocrm"
UNPACED = 1_000_000.0
POLICY = RetryPolicy()


def config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    return {
        "account_domain": sandbox.account.domain,
        "credentials": {"auth_type": "long_lived_token", "access_token": sandbox.tokens.long_lived()},
        **settings,
    }


def catalog(streams: Iterable[str] | None = None, mode: SyncMode = SyncMode.incremental) -> ConfiguredAirbyteCatalog:
    return ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=airbyte_stream(name),
                sync_mode=mode if STREAMS[name].cursor_field else SyncMode.full_refresh,
                destination_sync_mode=DestinationSyncMode.append,
            )
            for name in (STREAMS if streams is None else streams)
        ]
    )


class Clock:
    """A monotonic clock (seconds) on which sleeping takes no real time. Each thread has its own sleeps added.

    If the account has a ManualClock, that is the clock, and sleeping advances it. `longest`: the most that a thread has
    slept.
    """

    def __init__(self, server: object) -> None:
        self._server = server if isinstance(server, ManualClock) else None
        self._local = threading.local()
        self._slept = 0.0
        self.longest = 0.0

    def own(self) -> float:
        if self._server:
            return self._server.time()
        return time.monotonic() + getattr(self._local, "slept", 0.0)

    def common(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        if self._server:
            self._server.advance(seconds)
        self._local.slept = getattr(self._local, "slept", 0.0) + seconds
        self.longest = max(self.longest, self._local.slept)

    def sleep_together(self, seconds: float) -> None:
        """Sleeps on the clock of all threads, as the rate limit does."""
        self._slept += seconds
        self.sleep(seconds)


class KillableAdapter(SandboxAdapter):
    """A transport to the sandbox. Once it is `cut`, every request fails, as after the process was killed."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        super().__init__(sandbox)
        self.clock = clock
        self.cut = False

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        if self.cut:
            raise AmocrmError("The process was killed.")
        try:
            return super().send(*args, **kwargs)
        except requests.ReadTimeout:
            self.clock.sleep(POLICY.read_timeout)
            raise


@contextmanager
def without_sockets(sandbox: Sandbox, clock: Clock | None = None, ahead: float = 0.0) -> Iterator[KillableAdapter]:
    """Sends the connector's requests to `sandbox`. The rate limit, pauses and timeouts take no time.

    `ahead`: the lead of this machine's clock over the account's, as the connector sees it (seconds).
    """
    clock = clock or Clock(sandbox.account.clock)
    adapter = KillableAdapter(sandbox, clock)

    def wall() -> float:
        return sandbox.account.clock.time() + ahead

    def open_api(parsed: Config, raw: Any, policy: RetryPolicy | None = None, **options: Any) -> Api:
        budget = Budget(UNPACED, clock=clock.common, sleep=clock.sleep_together)
        session = AmocrmSession(budget, policy or POLICY, clock=clock.own, wall=wall, sleep=clock.sleep)
        session.mount("https://", adapter)
        session.trust_env = False  # looking for a proxy takes a tenth of such a request's time
        return http.open_api(parsed, raw, session=session, **options)

    with patch("source_amocrm.source.open_api", open_api):
        yield adapter


def messages(
    sandbox: Sandbox,
    streams: Iterable[str] | None = None,
    state: list[AirbyteStateMessage] | None = None,
    mode: SyncMode = SyncMode.incremental,
    ahead: float = 0.0,
    **settings: Any,
) -> Generator[AirbyteMessage, None, None]:
    """Yields the messages of a `read`. Raises at the end if a stream failed.

    `ahead`: the lead of this machine's clock (seconds). Closing the generator early acts as killing the process: no
    request follows, and no thread is left.
    """
    counts: defaultdict[Any, float] = defaultdict(float)
    with without_sockets(sandbox, ahead=ahead) as adapter:
        source = SourceAmocrm()
        logger = logging.getLogger("airbyte")
        reading = iter(source.read(logger, config(sandbox, **settings), catalog(streams, mode), state or []))
        try:
            for message in reading:
                if message.type != Type.RECORD:
                    clean(str(message))
                yield AirbyteEntrypoint.handle_record_counts(message, counts)
        except GeneratorExit:
            adapter.cut = True
            with suppress(Exception):
                for _ in reading:
                    pass
            raise


def files(folder: Path, **contents: Any) -> list[str]:
    """Writes files to `folder`, as JSON unless they are text, and returns the command's arguments for them."""
    arguments = []
    for name, content in contents.items():
        path = folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        arguments += [f"--{name}", str(path)]
    return arguments


def dumped(streams: ConfiguredAirbyteCatalog) -> Any:
    return plain(ConfiguredAirbyteCatalogSerializer.dump(streams))


def read_command(
    server: Server,
    folder: Path,
    state: list[AirbyteStateMessage] | None = None,
    streams: ConfiguredAirbyteCatalog | None = None,
    **settings: Any,
) -> list[str]:
    """Returns the arguments of a `read` at 50 requests a second."""
    contents = {
        "config": {**server.config(), "requests_per_second": 50, **settings},
        "catalog": dumped(streams or catalog()),
        "state": [AirbyteStateMessageSerializer.dump(message) for message in state or []],
    }
    return ["read", *files(folder, **{name: plain(content) for name, content in contents.items()})]


def plain(document: Any) -> Any:
    return orjson.loads(orjson.dumps(document))


def process_messages(command: list[str]) -> Iterator[AirbyteMessage]:
    """Yields the messages of a process. Closing the generator early kills the process with SIGKILL."""
    process = Forked(command, {}, stderr_apart=True)
    try:
        for adapter in process.stdout:
            clean(adapter)
            yield AirbyteMessageSerializer.load(orjson.loads(adapter))
    except GeneratorExit:
        process.send_signal(signal.SIGKILL)
        raise
    finally:
        _, stderr = process.communicate()
        clean(stderr)
    assert process.returncode == 0


def discovered(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    with without_sockets(sandbox):
        catalog = SourceAmocrm().discover(logging.getLogger("airbyte"), config(sandbox, **settings))
    return {stream.name: stream for stream in catalog.streams}
