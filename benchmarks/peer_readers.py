"""Reads the deals with a peer, as the peer's documentation says: `python peer_readers.py NAME URL TOKEN [ARGUMENT …]`.

Runs in the peer's own environment, without this project's packages. A client prints the id of each deal, a connector
prints Airbyte's messages.
"""

from __future__ import annotations

import asyncio
import re
import runpy
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

AMOCRM = re.compile(r"https://[a-z0-9-]+\.amocrm\.ru(?=/)")


def aioamocrm(url: str, token: str) -> None:
    from aioamocrm import AmoCRMClient, LongLivedToken

    async def read() -> None:
        async with AmoCRMClient(base_url=url, auth=LongLivedToken(token)) as amo:
            async for lead in amo.leads.iterate():
                print(lead.id)

    asyncio.run(read())


def amocrm_api(url: str, token: str) -> None:
    from amocrm.v2.entity.lead import LeadsInteraction

    class Token:
        subdomain = "example"

        @staticmethod
        def get_access_token() -> str:
            return token

    reroute(url)
    for lead in LeadsInteraction(token_manager=Token()).get_all():
        print(lead["id"])


def connector(url: str, token: str, program: str, *arguments: str) -> None:
    """`program`: the path of the connector's main.py."""
    reroute(url)
    sys.modules["psycopg2"] = _Tokens(token)
    sys.argv = [program, *arguments]
    sys.path.insert(0, str(Path(program).parent))
    runpy.run_path(program, run_name="__main__")


def reroute(url: str) -> None:
    """Sends every request for an account of amocrm.ru to `url`. The peers' code fixes the domain."""
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_rerouted(self: HTTPAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        request.url = AMOCRM.sub(url, request.url or "", count=1)
        return send(self, request, *args, **kwargs)

    HTTPAdapter.send = send_rerouted  # type: ignore[method-assign]


class _Tokens(ModuleType):
    """Stands in for the database in which one connector keeps its tokens: returns one token that never expires."""

    def __init__(self, token: str) -> None:
        super().__init__("psycopg2")
        self.row = (token, "", "", "", datetime.max)

    def connect(self, **_: Any) -> _Tokens:
        return self

    def cursor(self) -> _Tokens:
        return self

    def __enter__(self) -> _Tokens:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, *_: object) -> None:
        pass

    def fetchone(self) -> tuple[str, str, str, str, datetime]:
        return self.row

    def commit(self) -> None:
        pass

    rollback = close = commit


if __name__ == "__main__":
    read: Any = {"aioamocrm": aioamocrm, "amocrm-api": amocrm_api, "connector": connector}[sys.argv[1]]
    read(*sys.argv[2:])
