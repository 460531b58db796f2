"""How each peer reads the deals, by its own documentation: `python peer_readers.py NAME URL TOKEN [ARGUMENT …]`.

It runs in the peer's own environment, with nothing of this project in it. A client prints the id of each deal, a
connector Airbyte's messages.
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

    lead_here(url)
    for lead in LeadsInteraction(token_manager=Token()).get_all():
        print(lead["id"])


def connector(url: str, token: str, program: str, *arguments: str) -> None:
    """`program`: the path of the connector's main.py."""
    lead_here(url)
    sys.modules["psycopg2"] = _Tokens(token)
    sys.argv = [program, *arguments]
    sys.path.insert(0, str(Path(program).parent))
    runpy.run_path(program, run_name="__main__")


def lead_here(url: str) -> None:
    """Leads every request for an account of amocrm.ru, whose address is fixed in the peers, to the one at `url`."""
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_here(self: HTTPAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        request.url = AMOCRM.sub(url, request.url or "", count=1)
        return send(self, request, *args, **kwargs)

    HTTPAdapter.send = send_here  # type: ignore[method-assign]


class _Tokens(ModuleType):
    """Stands in for the database of tokens that one of the connectors keeps: it has one, which is good for ever."""

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
