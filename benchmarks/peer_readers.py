"""How each peer reads all deals, by its own documentation: `python peer_readers.py NAME URL TOKEN` prints their ids.

It runs in an environment of its own, with nothing of this project in it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any


def aioamocrm(url: str, token: str) -> None:
    from aioamocrm import AmoCRMClient, LongLivedToken

    async def read() -> None:
        async with AmoCRMClient(base_url=url, auth=LongLivedToken(token)) as amo:
            async for lead in amo.leads.iterate():
                print(lead.id)

    asyncio.run(read())


def amocrm_api(url: str, token: str) -> None:
    """Its address is fixed to amocrm.ru, so a session leads it to the account on this machine."""
    import requests
    from amocrm.v2.entity.lead import LeadsInteraction

    class Here(requests.Session):
        def request(self, method: Any, url: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
            return super().request(method, str(url).replace("https://example.amocrm.ru", address), **kwargs)

    class Token:
        subdomain = "example"

        @staticmethod
        def get_access_token() -> str:
            return token

    address = url
    for lead in LeadsInteraction(token_manager=Token(), session=Here()).get_all():
        print(lead["id"])


if __name__ == "__main__":
    {"aioamocrm": aioamocrm, "amocrm-api": amocrm_api}[sys.argv[1]](*sys.argv[2:])
