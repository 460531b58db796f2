"""A client of Airbyte's public API for the definitions, sources and connections of one workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from amocrm_fleet import FleetError
from source_amocrm.secrecy import add_to_secrets, mask

_PAGE = 100
_TIMEOUT = 180
"""Deadline of a request (seconds). Before some answers, Airbyte starts a pod for the connector's `spec` or `check`."""

Json = dict[str, Any]


class AirbyteApi:
    """Every method raises FleetError, with Airbyte's own message if it answered."""

    def __init__(self, server: str, workspace: str, client_id: str, client_secret: str) -> None:
        """`server`: the API's address, as http://localhost:8000/api/public/v1."""
        self._server = server.rstrip("/")
        self._workspace = workspace
        self._keys = {"client_id": client_id, "client_secret": client_secret}
        self._session = requests.Session()
        add_to_secrets(client_secret)

    def definitions(self) -> list[Json]:
        return self._pages(f"/workspaces/{self._workspace}/definitions/sources")

    def create_definition(self, body: Json) -> Json:
        return self._ask("POST", f"/workspaces/{self._workspace}/definitions/sources", body)

    def update_definition(self, definition_id: str, body: Json) -> Json:
        return self._ask("PUT", f"/workspaces/{self._workspace}/definitions/sources/{definition_id}", body)

    def sources(self) -> list[Json]:
        return self._pages("/sources", workspaceIds=self._workspace)

    def create_source(self, body: Json) -> Json:
        return self._ask("POST", "/sources", {**body, "workspaceId": self._workspace})

    def update_source(self, source_id: str, body: Json) -> Json:
        """Changes only the keys of `body`, so that a token that Airbyte has renewed stays."""
        return self._ask("PATCH", f"/sources/{source_id}", body)

    def connections(self) -> list[Json]:
        return self._pages("/connections", workspaceIds=self._workspace)

    def create_connection(self, body: Json) -> Json:
        return self._ask("POST", "/connections", body)

    def update_connection(self, connection_id: str, body: Json) -> Json:
        return self._ask("PATCH", f"/connections/{connection_id}", body)

    def _pages(self, path: str, **query: Any) -> list[Json]:
        found: dict[str, Json] = {}
        while True:
            page = self._ask("GET", path, query={**query, "limit": _PAGE, "offset": len(found)})["data"]
            known = len(found)
            found.update((_id(one), one) for one in page)
            # a server without paging answers with the whole list each time
            if len(page) < _PAGE or len(found) == known:
                return list(found.values())

    def _ask(self, method: str, path: str, body: Json | None = None, query: Mapping[str, Any] | None = None) -> Json:
        if "Authorization" not in self._session.headers:
            self._sign_in()
        answer = self._send(method, path, body, query)
        if answer.status_code == 401:
            # a self-managed Airbyte's token expires after three minutes
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

    def _send(self, method: str, path: str, body: Json | None, query: Mapping[str, Any] | None) -> requests.Response:
        try:
            return self._session.request(
                method, f"{self._server}{path}", json=body, params=query, timeout=_TIMEOUT, allow_redirects=False
            )
        except requests.Timeout:
            raise FleetError(
                f"Airbyte did not answer {method} {path} within {_TIMEOUT} s. It may have done it all the same: "
                "look at `fleet airbyte plan` before you apply again."
            ) from None
        except requests.RequestException as error:
            raise FleetError(f"Airbyte cannot be reached at {self._server}: {type(error).__name__}.") from None


def _id(one: Json) -> str:
    """Returns the object's own id. A connection has a `sourceId` as well, so `connectionId` is tried first."""
    return str(one.get("connectionId") or one.get("sourceId") or one["id"])


def _read(answer: requests.Response, request: str) -> Json:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code // 100 == 2 and isinstance(body, dict):
        return body
    problem = body if isinstance(body, dict) else {}
    reason = problem.get("detail") or problem.get("message") or problem.get("title") or answer.reason
    hint = {
        401: " Look at the client id and secret of the application (your user in Airbyte → Applications).",
        403: " The application may not do this in that workspace.",
        404: " Look at the server's address, …/api/public/v1, and at the ids of the workspace and the destination.",
    }.get(answer.status_code, "")
    raise FleetError(mask(f"Airbyte refused {request}: {answer.status_code} {reason}.{hint}"))
