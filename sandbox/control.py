"""Endpoints under `/_sandbox/` for the demo and the benchmarks. They are no part of amoCRM."""

from __future__ import annotations

from dataclasses import asdict

from .http import Request, Response, plain_json
from .query import number, scalar
from .sandbox import Sandbox


def control(sandbox: Sandbox, request: Request) -> Response | None:
    """Answers GET /_sandbox/log, POST /_sandbox/edit?count=100 and POST /_sandbox/work?count=25.

    `edit` writes at random, `work` as people do in an account of business.py. None for paths outside `/_sandbox/`.
    """
    if not request.path.startswith("/_sandbox/"):
        return None
    with sandbox.account.lock:
        if request.path == "/_sandbox/log":
            return plain_json([asdict(logged) for logged in sandbox.log])
        if request.path in ("/_sandbox/edit", "/_sandbox/work") and request.method == "POST":
            from .business import work
            from .writes import random_edits

            make = work if request.path == "/_sandbox/work" else random_edits
            count = int(number(scalar(request.params().get("count"))) or 1)
            return plain_json({"edits": make(sandbox.account, count)})
    return Response(404, b"{}", {"content-type": "application/json"})
