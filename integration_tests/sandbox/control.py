"""Handles for demos and benchmarks under `/_sandbox/`; no part of amoCRM."""

from __future__ import annotations

from dataclasses import asdict

from .http import Request, Response, dumps
from .query import number, scalar
from .sandbox import Sandbox


def control(sandbox: Sandbox, request: Request) -> Response | None:
    """GET /_sandbox/log, POST /_sandbox/edit?count=100; None for every other path."""
    if not request.path.startswith("/_sandbox/"):
        return None
    with sandbox.account.lock:
        if request.path == "/_sandbox/log":
            return _json([asdict(seen) for seen in sandbox.log])
        if request.path == "/_sandbox/edit" and request.method == "POST":
            from .writes import random_edits

            count = int(number(scalar(request.params().get("count"))) or 1)
            return _json({"edits": random_edits(sandbox.account, count)})
    return Response(404, b"{}", {"content-type": "application/json"})


def _json(document: object) -> Response:
    return Response(200, dumps(document), {"content-type": "application/json"})
