"""Airbyte's public API on loopback, as far as a fleet uses it; run by the Python of .venv-pyairbyte.

What it is sent and what it answers is held to the models of `airbyte-api`, which Airbyte generates from the API's
published description: names, required fields, types, enumerations. Beyond them it does what that description says in
words: pages of 20 unless asked, secrets as asterisks, partial updates, tokens that end.

Prints its address. `POST /_fake` tells the tests what it holds and was asked, `POST /_fake/reset` forgets it.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import sys
import typing
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airbyte_api import models

SECRETS = {"access_token", "refresh_token", "client_secret"}
TOKEN_LIVES = 8
"""Requests."""
CONFIGURATION = "configuration"
"""Any connector's settings: the models list those of Airbyte's own connectors, and a custom one is none of them."""


def complaints(value: Any, kind: Any, place: str = "body") -> list[str]:
    """Where `value`, of JSON, is not of the model or type `kind`."""
    origin = typing.get_origin(kind)
    if origin is typing.Union:
        options = [complaints(value, option, place) for option in typing.get_args(kind)]
        return [] if [] in options else min(options, key=len)
    if origin is list:
        if not isinstance(value, list):
            return [f"{place} is no list"]
        [inner] = typing.get_args(kind)
        return [said for index, one in enumerate(value) for said in complaints(one, inner, f"{place}[{index}]")]
    if kind is type(None):
        return [] if value is None else [f"{place} is not null"]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [] if value in [one.value for one in kind] else [f"{place} is none of {[one.value for one in kind]}"]
    if dataclasses.is_dataclass(kind):
        return _object_complaints(value, kind, place)
    if kind in (str, int, bool, float):
        fine = isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))
        return [] if fine else [f"{place} is no {kind.__name__}"]
    return []


def _object_complaints(value: Any, kind: Any, place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place} is no object"]
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
    fields = {
        field.metadata["dataclasses_json"]["letter_case"](field.name): field for field in dataclasses.fields(kind)
    }
    found = [f"{place}.{name} is unknown" for name in value.keys() - fields.keys()]
    for name, field in fields.items():
        if name not in value:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            found += [f"{place}.{name} is missing"] if required else []
        elif name != CONFIGURATION:
            found += complaints(value[name], hints[field.name], f"{place}.{name}")
    return found


class Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclasses.dataclass
class Airbyte:
    workspace: str
    destination: str
    things: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(
        default_factory=lambda: {"definitions": {}, "sources": {}, "connections": {}}
    )
    tokens: dict[str, int] = dataclasses.field(default_factory=dict)
    log: list[list[str]] = dataclasses.field(default_factory=list)
    full: set[str] = dataclasses.field(default_factory=set)
    """Names of sources that are refused."""

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, token: str) -> Any:
        if path == "/applications/token":
            if body != {"client_id": "id", "client_secret": "secret", "grant-type": "client_credentials"}:
                raise Refused(401, "Unauthorized")
            new = uuid.uuid4().hex
            self.tokens[new] = TOKEN_LIVES
            return {"access_token": new, "token_type": "Bearer", "expires_in": 180}
        if self.tokens.get(token, 0) <= 0:
            raise Refused(401, "Unauthorized")
        self.tokens[token] -= 1
        for pattern, verb, act in self.routes():
            if verb == method and (match := re.fullmatch(pattern, path)):
                return act(*match.groups(), query=query, body=body)
        raise Refused(404, f"There is no {method} {path}")

    def routes(self) -> list[tuple[str, str, Any]]:
        definitions = "/workspaces/([^/]+)/definitions/sources"
        return [
            (definitions, "GET", self.list_definitions),
            (definitions, "POST", self.create_definition),
            (f"{definitions}/([^/]+)", "PUT", self.update_definition),
            ("/sources", "GET", lambda **given: self.page("sources", **given)),
            ("/sources", "POST", self.create_source),
            ("/sources/([^/]+)", "PATCH", self.update_source),
            ("/connections", "GET", lambda **given: self.page("connections", **given)),
            ("/connections", "POST", self.create_connection),
            ("/connections/([^/]+)", "PATCH", self.update_connection),
        ]

    def list_definitions(self, workspace: str, **_: Any) -> Any:
        self.check_workspace(workspace)
        return self.told({"data": list(self.things["definitions"].values())}, models.DefinitionsResponse)

    def create_definition(self, workspace: str, body: Any, **_: Any) -> Any:
        self.check_workspace(workspace)
        check(body, models.CreateDefinitionRequest)
        return self.put("definitions", "id", body, models.DefinitionResponse)

    def update_definition(self, workspace: str, own: str, body: Any, **_: Any) -> Any:
        self.check_workspace(workspace)
        check(body, models.UpdateDefinitionRequest)
        return self.changed("definitions", own, body, models.DefinitionResponse)

    def create_source(self, body: Any, **_: Any) -> Any:
        check(body, models.SourceCreateRequest)
        self.check_workspace(body["workspaceId"])
        if body["definitionId"] not in self.things["definitions"]:
            raise Refused(400, "The definition is unknown")
        if body["name"] in self.full:
            raise Refused(422, "The provided configuration does not fulfil the specification")
        return self.put("sources", "sourceId", {**body, "createdAt": 1, "sourceType": "custom"}, models.SourceResponse)

    def update_source(self, own: str, body: Any, **_: Any) -> Any:
        check(body, models.SourcePatchRequest)
        held = self.one("sources", own)
        changed = {**body, CONFIGURATION: {**held[CONFIGURATION], **body.get(CONFIGURATION, {})}}
        return self.changed("sources", own, changed, models.SourceResponse)

    def create_connection(self, body: Any, **_: Any) -> Any:
        check(body, models.ConnectionCreateRequest)
        source = self.one("sources", body["sourceId"])
        if body["destinationId"] != self.destination:
            raise Refused(404, "The destination is unknown")
        made = {"status": "active", "tags": [], "createdAt": 1, "workspaceId": source["workspaceId"], **body}
        return self.put("connections", "connectionId", made, models.ConnectionResponse)

    def update_connection(self, own: str, body: Any, **_: Any) -> Any:
        check(body, models.ConnectionPatchRequest)
        return self.changed("connections", own, body, models.ConnectionResponse)

    def page(self, kind: str, query: dict[str, list[str]], **_: Any) -> Any:
        limit, offset = int(query.get("limit", ["20"])[0]), int(query.get("offset", ["0"])[0])
        if not 1 <= limit <= 100:
            raise Refused(400, "limit is out of range")
        asked = query.get("workspaceIds", [])
        found = [thing for thing in self.things[kind].values() if thing["workspaceId"] in asked]
        model = models.SourcesResponse if kind == "sources" else models.ConnectionsResponse
        return self.told({"data": found[offset : offset + limit]}, model)

    def check_workspace(self, own: str) -> None:
        if own != self.workspace:
            raise Refused(403, "Forbidden")

    def one(self, kind: str, own: str) -> dict[str, Any]:
        if own not in self.things[kind]:
            raise Refused(404, f"There is no {own} among the {kind}")
        return self.things[kind][own]

    def put(self, kind: str, key: str, thing: dict[str, Any], model: Any) -> Any:
        own = str(uuid.uuid4())
        self.things[kind][own] = {**thing, key: own}
        return self.told(self.things[kind][own], model)

    def changed(self, kind: str, own: str, body: dict[str, Any], model: Any) -> Any:
        self.one(kind, own).update(body)
        return self.told(self.one(kind, own), model)

    def told(self, answer: Any, model: Any) -> Any:
        masked = _masked(answer)
        assert complaints(masked, model) == [], complaints(masked, model)
        return masked


def check(body: Any, model: Any) -> None:
    if found := complaints(body, model):
        raise Refused(400, f"{model.__name__}: {'; '.join(found)}")


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if isinstance(value, dict):
        return {name: "**********" if name in SECRETS else _masked(one) for name, one in value.items()}
    return value


class Handler(BaseHTTPRequestHandler):
    airbyte: Airbyte

    def respond(self) -> None:
        url, airbyte = urlsplit(self.path), self.airbyte
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status = 200
        try:
            if url.path == "/_fake/reset":
                Handler.airbyte = Airbyte(airbyte.workspace, airbyte.destination)
                answer: Any = {}
            elif url.path == "/_fake":
                airbyte.full = set(body or [])
                answer = {"log": airbyte.log, "things": airbyte.things}
                airbyte.log = []
            else:
                path = url.path.removeprefix("/api/public/v1")
                airbyte.log.append([self.command, re.sub(r"[0-9a-f-]{36}", "…", path)])
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                answer = airbyte.answer(self.command, path, parse_qs(url.query), body, token)
        except Refused as error:
            status, answer = error.status, {"status": error.status, "title": "refused", "detail": str(error)}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = respond  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    Handler.airbyte = Airbyte(workspace=sys.argv[1], destination=sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
