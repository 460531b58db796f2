"""The connector run against a sandbox: in process and without sockets, or as the real command over HTTP."""

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

from source_amocrm import http
from source_amocrm.config import Config
from source_amocrm.errors import AmocrmError
from source_amocrm.http import Api
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.session import AmocrmSession
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import STREAMS
from unit_tests.offline import airbyte_stream

from .forked import Forked
from .leaks import clean
from .sandbox import ManualClock, Sandbox, SandboxAdapter, Server

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
    """Monotonic seconds that sleeping moves at once. A thread's time is what it slept itself, not what others did.

    Where the account's clock moves by hand, sleeping moves it, and there is no other time.
    """

    def __init__(self, server: object) -> None:
        self._server = server if isinstance(server, ManualClock) else None
        self._local = threading.local()
        self._slept = 0.0
        self.longest = 0.0
        """The most that a thread has slept."""

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
        """As the budget does, which lets everybody wait."""
        self._slept += seconds
        self.sleep(seconds)


class Line(SandboxAdapter):
    """The way to the sandbox; a process that was killed sends nothing more."""

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
def without_sockets(sandbox: Sandbox, clock: Clock | None = None, ahead: float = 0.0) -> Iterator[Line]:
    """While it lasts the connector's requests go to `sandbox`, and no pace, pause or server that hangs takes time.

    `ahead`: by so many seconds this machine's clock is ahead of the account's; whatever it shows in truth.
    """
    clock = clock or Clock(sandbox.account.clock)
    line = Line(sandbox, clock)

    def wall() -> float:
        return sandbox.account.clock.time() + ahead

    def open_api(parsed: Config, raw: Any, policy: RetryPolicy | None = None, **told: Any) -> Api:
        budget = Budget(UNPACED, clock=clock.common, sleep=clock.sleep_together)
        session = AmocrmSession(budget, policy or POLICY, clock=clock.own, wall=wall, sleep=clock.sleep)
        session.mount("https://", line)
        session.trust_env = False  # to look for a proxy takes a tenth of such a request
        return http.open_api(parsed, raw, session=session, **told)

    with patch("source_amocrm.source.open_api", open_api):
        yield line


def messages(
    sandbox: Sandbox,
    streams: Iterable[str] | None = None,
    state: list[AirbyteStateMessage] | None = None,
    mode: SyncMode = SyncMode.incremental,
    ahead: float = 0.0,
    **settings: Any,
) -> Generator[AirbyteMessage, None, None]:
    """What a `read` prints, message by message; raises at the end when a stream failed.

    `ahead`: by so many seconds this machine's clock is ahead.

    Closed before its end it is as if the process was killed: no request follows, and no thread is left.
    """
    counts: defaultdict[Any, float] = defaultdict(float)
    with without_sockets(sandbox, ahead=ahead) as line:
        source = SourceAmocrm()
        logger = logging.getLogger("airbyte")
        reading = iter(source.read(logger, config(sandbox, **settings), catalog(streams, mode), state or []))
        try:
            for message in reading:
                if message.type != Type.RECORD:
                    clean(str(message))
                yield AirbyteEntrypoint.handle_record_counts(message, counts)
        except GeneratorExit:
            line.cut = True
            with suppress(Exception):
                for _ in reading:
                    pass
            raise


def files(folder: Path, **contents: Any) -> list[str]:
    """The command's arguments for these files, written to `folder`; a text is written as it is."""
    arguments = []
    for name, content in contents.items():
        path = folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        arguments += [f"--{name}", str(path)]
    return arguments


def dumped(streams: ConfiguredAirbyteCatalog) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(ConfiguredAirbyteCatalogSerializer.dump(streams)))
    return document


def read_command(
    server: Server,
    folder: Path,
    state: list[AirbyteStateMessage] | None = None,
    streams: ConfiguredAirbyteCatalog | None = None,
    **settings: Any,
) -> list[str]:
    """The arguments of a `read` in a process of its own, at 50 requests a second."""
    given = {
        "config": {**server.config(), "requests_per_second": 50, **settings},
        "catalog": dumped(streams or catalog()),
        "state": [AirbyteStateMessageSerializer.dump(message) for message in state or []],
    }
    return ["read", *files(folder, **{name: plain(content) for name, content in given.items()})]


def plain(document: Any) -> Any:
    return orjson.loads(orjson.dumps(document))


def process_messages(command: list[str]) -> Iterator[AirbyteMessage]:
    """What a process prints. Closed before its end, the process gets SIGKILL in the middle of its work."""
    process = Forked(command, {}, stderr_apart=True)
    try:
        for line in process.stdout:
            clean(line)
            yield AirbyteMessageSerializer.load(orjson.loads(line))
    except GeneratorExit:
        process.send_signal(signal.SIGKILL)
        raise
    finally:
        _, complaints = process.communicate()
        clean(complaints)
    assert process.returncode == 0
