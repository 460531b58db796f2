"""Airbyte's public API, as far as a fleet needs it: definitions, sources and connections of one workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from amocrm_fleet import FleetError
from source_amocrm.secrecy import add_to_secrets, mask

_PAGE = 100
_SECONDS = 180
"""Airbyte runs the connector's `spec` or `check` in a pod of its own before it answers some of the requests."""

Thing = dict[str, Any]


class AirbyteApi:
    """Raises FleetError with what Airbyte said."""

    def __init__(self, server: str, workspace: str, client_id: str, client_secret: str) -> None:
        """`server` is the API's address, as http://localhost:8000/api/public/v1."""
        self._server = server.rstrip("/")
        self._workspace = workspace
        self._keys = {"client_id": client_id, "client_secret": client_secret}
        self._session = requests.Session()
        add_to_secrets(client_secret)

    def definitions(self) -> list[Thing]:
        return self._pages(f"/workspaces/{self._workspace}/definitions/sources")

    def create_definition(self, body: Thing) -> Thing:
        return self._ask("POST", f"/workspaces/{self._workspace}/definitions/sources", body)

    def update_definition(self, own: str, body: Thing) -> Thing:
        return self._ask("PUT", f"/workspaces/{self._workspace}/definitions/sources/{own}", body)

    def sources(self) -> list[Thing]:
        return self._pages("/sources", workspaceIds=self._workspace)

    def create_source(self, body: Thing) -> Thing:
        return self._ask("POST", "/sources", {**body, "workspaceId": self._workspace})

    def update_source(self, own: str, body: Thing) -> Thing:
        """Changes what `body` names; the rest, a token that Airbyte has rotated among it, stays as it is."""
        return self._ask("PATCH", f"/sources/{own}", body)

    def connections(self) -> list[Thing]:
        return self._pages("/connections", workspaceIds=self._workspace)

    def create_connection(self, body: Thing) -> Thing:
        return self._ask("POST", "/connections", body)

    def update_connection(self, own: str, body: Thing) -> Thing:
        return self._ask("PATCH", f"/connections/{own}", body)

    def _pages(self, path: str, **query: Any) -> list[Thing]:
        found: dict[str, Thing] = {}
        while True:
            page = self._ask("GET", path, query={**query, "limit": _PAGE, "offset": len(found)})["data"]
            known = len(found)
            found.update((_id(thing), thing) for thing in page)
            # a list that knows no pages comes whole each time
            if len(page) < _PAGE or len(found) == known:
                return list(found.values())

    def _ask(self, method: str, path: str, body: Thing | None = None, query: Mapping[str, Any] | None = None) -> Thing:
        if "Authorization" not in self._session.headers:
            self._sign_in()
        answer = self._send(method, path, body, query)
        if answer.status_code == 401:
            # a token of a self-managed Airbyte lives for three minutes
            self._sign_in()
            answer = self._send(method, path, body, query)
        return _read(answer, f"{method} {path}")

    def _sign_in(self) -> None:
        self._session.headers.pop("Authorization", None)
        answer = self._send("POST", "/applications/token", {**self._keys, "grant-type": "client_credentials"}, None)
        token = str(_read(answer, "the sign-in (POST /applications/token)").get("access_token") or "")
        if not token:
            raise FleetError("Airbyte's answer to the sign-in has no access_token.")
        add_to_secrets(token)
        self._session.headers["Authorization"] = f"Bearer {token}"

    def _send(self, method: str, path: str, body: Thing | None, query: Mapping[str, Any] | None) -> requests.Response:
        try:
            return self._session.request(
                method, f"{self._server}{path}", json=body, params=query, timeout=_SECONDS, allow_redirects=False
            )
        except requests.Timeout:
            raise FleetError(
                f"Airbyte did not answer {method} {path} within {_SECONDS} s. It may have done it all the same: "
                "look at `fleet airbyte plan` before you apply again."
            ) from None
        except requests.RequestException as error:
            raise FleetError(f"Airbyte cannot be reached at {self._server}: {type(error).__name__}.") from None


def _id(thing: Thing) -> str:
    """A connection names its source, too, so that its own id comes first."""
    return str(thing.get("connectionId") or thing.get("sourceId") or thing["id"])


def _read(answer: requests.Response, what: str) -> Thing:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code // 100 == 2 and isinstance(body, dict):
        return body
    said = body if isinstance(body, dict) else {}
    reason = said.get("detail") or said.get("message") or said.get("title") or answer.reason
    hint = {
        401: " Look at the client id and secret of the application (your user in Airbyte → Applications).",
        403: " The application may not do this in that workspace.",
        404: " Look at the server's address, …/api/public/v1, and at the ids of the workspace and the destination.",
    }.get(answer.status_code, "")
    raise FleetError(mask(f"Airbyte refused {what}: {answer.status_code} {reason}.{hint}"))
