"""A fake of Airbyte's public API on loopback, as far as a fleet uses it; run by the Python of .venv-apart.

Requests and answers are checked against the models of `airbyte-api`, which Airbyte generates from the API's published
description: names, required fields, types, enumerations. Beyond them the fake does what that description says in
words: pages of 20 by default, secrets as asterisks, partial updates, tokens that expire.

Prints its address. `POST /_fake` returns its objects and its log of requests, `POST /_fake/reset` clears them.
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
"""Requests that a token is valid for. Later ones get 401."""
CONFIGURATION = "configuration"
"""The field of a connector's settings. It is not checked: the models know only Airbyte's own connectors."""


def violations(value: Any, kind: Any, path: str = "body") -> list[str]:
    """Returns the places at which a JSON value does not fit the model or type `kind`."""
    origin = typing.get_origin(kind)
    if origin is typing.Union:
        options = [violations(value, option, path) for option in typing.get_args(kind)]
        return [] if [] in options else min(options, key=len)
    if origin is list:
        if not isinstance(value, list):
            return [f"{path} is no list"]
        [inner] = typing.get_args(kind)
        return [found for index, one in enumerate(value) for found in violations(one, inner, f"{path}[{index}]")]
    if kind is type(None):
        return [] if value is None else [f"{path} is not null"]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [] if value in [one.value for one in kind] else [f"{path} is none of {[one.value for one in kind]}"]
    if dataclasses.is_dataclass(kind):
        return _object_violations(value, kind, path)
    if kind in (str, int, bool, float):
        fits = isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))
        return [] if fits else [f"{path} is no {kind.__name__}"]
    return []


def _object_violations(value: Any, kind: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
    fields = {
        field.metadata["dataclasses_json"]["letter_case"](field.name): field for field in dataclasses.fields(kind)
    }
    found = [f"{path}.{name} is unknown" for name in value.keys() - fields.keys()]
    for name, field in fields.items():
        if name not in value:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            found += [f"{path}.{name} is missing"] if required else []
        elif name != CONFIGURATION:
            found += violations(value[name], hints[field.name], f"{path}.{name}")
    return found


class Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclasses.dataclass
class Airbyte:
    """`full`: names of sources whose creation is refused."""

    workspace: str
    destination: str
    objects: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(
        default_factory=lambda: {"definitions": {}, "sources": {}, "connections": {}}
    )
    tokens: dict[str, int] = dataclasses.field(default_factory=dict)
    log: list[list[str]] = dataclasses.field(default_factory=list)
    full: set[str] = dataclasses.field(default_factory=set)

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
            ("/sources", "GET", lambda **arguments: self.page("sources", **arguments)),
            ("/sources", "POST", self.create_source),
            ("/sources/([^/]+)", "PATCH", self.update_source),
            ("/connections", "GET", lambda **arguments: self.page("connections", **arguments)),
            ("/connections", "POST", self.create_connection),
            ("/connections/([^/]+)", "PATCH", self.update_connection),
        ]

    def list_definitions(self, workspace: str, **_: Any) -> Any:
        self.check_workspace(workspace)
        return self.answered({"data": list(self.objects["definitions"].values())}, models.DefinitionsResponse)

    def create_definition(self, workspace: str, body: Any, **_: Any) -> Any:
        self.check_workspace(workspace)
        check(body, models.CreateDefinitionRequest)
        return self.put("definitions", "id", body, models.DefinitionResponse)

    def update_definition(self, workspace: str, object_id: str, body: Any, **_: Any) -> Any:
        self.check_workspace(workspace)
        check(body, models.UpdateDefinitionRequest)
        return self.changed("definitions", object_id, body, models.DefinitionResponse)

    def create_source(self, body: Any, **_: Any) -> Any:
        check(body, models.SourceCreateRequest)
        self.check_workspace(body["workspaceId"])
        if body["definitionId"] not in self.objects["definitions"]:
            raise Refused(400, "The definition is unknown")
        if body["name"] in self.full:
            raise Refused(422, "The provided configuration does not fulfil the specification")
        return self.put("sources", "sourceId", {**body, "createdAt": 1, "sourceType": "custom"}, models.SourceResponse)

    def update_source(self, object_id: str, body: Any, **_: Any) -> Any:
        check(body, models.SourcePatchRequest)
        held = self.one("sources", object_id)
        changed = {**body, CONFIGURATION: {**held[CONFIGURATION], **body.get(CONFIGURATION, {})}}
        return self.changed("sources", object_id, changed, models.SourceResponse)

    def create_connection(self, body: Any, **_: Any) -> Any:
        check(body, models.ConnectionCreateRequest)
        source = self.one("sources", body["sourceId"])
        if body["destinationId"] != self.destination:
            raise Refused(404, "The destination is unknown")
        made = {"status": "active", "tags": [], "createdAt": 1, "workspaceId": source["workspaceId"], **body}
        return self.put("connections", "connectionId", made, models.ConnectionResponse)

    def update_connection(self, object_id: str, body: Any, **_: Any) -> Any:
        check(body, models.ConnectionPatchRequest)
        return self.changed("connections", object_id, body, models.ConnectionResponse)

    def page(self, kind: str, query: dict[str, list[str]], **_: Any) -> Any:
        limit, offset = int(query.get("limit", ["20"])[0]), int(query.get("offset", ["0"])[0])
        if not 1 <= limit <= 100:
            raise Refused(400, "limit is out of range")
        workspaces = query.get("workspaceIds", [])
        found = [one for one in self.objects[kind].values() if one["workspaceId"] in workspaces]
        model = models.SourcesResponse if kind == "sources" else models.ConnectionsResponse
        return self.answered({"data": found[offset : offset + limit]}, model)

    def check_workspace(self, workspace: str) -> None:
        if workspace != self.workspace:
            raise Refused(403, "Forbidden")

    def one(self, kind: str, object_id: str) -> dict[str, Any]:
        if object_id not in self.objects[kind]:
            raise Refused(404, f"There is no {object_id} among the {kind}")
        return self.objects[kind][object_id]

    def put(self, kind: str, key: str, one: dict[str, Any], model: Any) -> Any:
        object_id = str(uuid.uuid4())
        self.objects[kind][object_id] = {**one, key: object_id}
        return self.answered(self.objects[kind][object_id], model)

    def changed(self, kind: str, object_id: str, body: dict[str, Any], model: Any) -> Any:
        self.one(kind, object_id).update(body)
        return self.answered(self.one(kind, object_id), model)

    def answered(self, answer: Any, model: Any) -> Any:
        masked = _masked(answer)
        assert violations(masked, model) == [], violations(masked, model)
        return masked


def check(body: Any, model: Any) -> None:
    if found := violations(body, model):
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
                answer = {"log": airbyte.log, "things": airbyte.objects}
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
    ThreadingHTTPServer.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client closes its connection
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
