"""Limits and faults of the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox import Fault, Faults, Rate, RealClock
from sandbox.limits import Limiter
from testing.sandbox_client import client


def test_seven_requests_in_any_second() -> None:
    now = 0.0
    limiter = Limiter(Rate(7), clock=lambda: now)
    accepted = []
    for step in range(40):
        now = step / 20
        if limiter.check() is None:
            accepted.append(now)
    assert len(accepted) == 14
    assert all(len([t for t in accepted if at - 1 < t <= at]) <= 7 for at in accepted)


@pytest.mark.parametrize(("form", "header", "body"), [("none", None, None), ("header", "3", None), ("body", None, 3)])
def test_forms_of_a_429(form: Any, header: str | None, body: int | None) -> None:
    api = client()
    api.sandbox.limiter = Limiter(Rate(1, form=form, retry_after=3), clock=lambda: 0.0)
    assert api.get("account").status_code == 200
    refused = api.get("account")
    assert refused.status_code == 429
    assert refused.headers.get("retry-after") == header
    assert (refused.json()["retry_after"] if body else None) == body


def test_who_does_not_listen_is_blocked_until_support_helps() -> None:
    now = 0.0
    api = client()
    api.sandbox.limiter = Limiter(Rate(1, block_after=3), clock=lambda: now)
    statuses = [api.get("account").status_code for _ in range(6)]
    assert statuses == [200, 429, 429, 429, 403, 403]
    token = api.session.post("https://example.amocrm.ru/oauth2/access_token", json={}, timeout=5)
    assert (token.status_code, token.headers["content-type"]) == (403, "text/html; charset=UTF-8")
    api.sandbox.limiter.unblock()
    assert api.get("account").status_code == 429
    now = 1.0
    assert api.get("account").status_code == 200


def test_faults_on_cue() -> None:
    faults = Faults(
        Fault("500", "/leads$", nth=(2,)),
        Fault("204", "/leads$", min_page=2, times=1),
        Fault("504", "/contacts", limit_over=100, withs_over=1),
        Fault("403_nginx", "/tasks", since=2),
    )
    api = client(faults=faults)
    assert [api.get("leads").status_code for _ in range(3)] == [200, 500, 200]
    assert [api.get("leads", {"page": 2}).status_code for _ in range(2)] == [204, 200]
    fat = {"limit": 250, "with": "leads,customers"}
    assert [api.get("contacts", {**fat, "limit": size}).status_code for size in (250, 100)] == [504, 200]
    assert [api.get("tasks").status_code for _ in range(3)] == [200, 403, 403]
    assert [kind for _, kind, _ in faults.fired] == ["500", "204", "504", "403_nginx", "403_nginx"]


def test_answers_that_lie() -> None:
    api = client()
    api.sandbox.faults.add(Fault("always_next", "/leads$", times=1))
    assert "next" in api.get("leads", {"page": 500}).json()["_links"]
    api.sandbox.faults.add(Fault("repeated_page", "/contacts$", times=1))
    assert api.rows("contacts", "contacts", {"page": 3}) == api.rows("contacts", "contacts", {"page": 1})
    api.sandbox.faults.add(Fault("ignored_filter", "/tasks$", times=1))
    assert api.rows("tasks", "tasks", {"filter[id]": 1})
    api.sandbox.faults.add(Fault("outside_window", "/companies$", times=1))
    assert api.rows("companies", "companies")[-1]["updated_at"] == 1_000_000_000
    api.sandbox.faults.add(Fault("truncated", "/users$", times=1))
    with pytest.raises(requests.JSONDecodeError):
        api.get("users").json()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset_before", requests.ConnectionError),
        ("reset_after_headers", requests.exceptions.ChunkedEncodingError),
        ("short_body", requests.exceptions.ChunkedEncodingError),
        ("hang", requests.ReadTimeout),
    ],
)
def test_broken_wires_in_process(kind: str, error: type[Exception]) -> None:
    api = client(faults=Faults(Fault(kind, times=1)))
    with pytest.raises(error):
        api.get("leads")
    assert api.get("leads").status_code == 200


def test_a_storm_is_the_same_for_the_same_seed() -> None:
    def fired(seed: int) -> list[tuple[int, str, str]]:
        api = client(faults=Faults.storm(seed, share=0.05))
        for _ in range(100):
            try:
                api.get("leads", {"page": 2})
            except requests.RequestException:
                continue
        return api.sandbox.faults.fired

    assert fired(3) == fired(3) != fired(4)
    assert len(fired(3)) > 20


def test_the_date_header_is_the_accounts_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    api = client()
    assert api.get("account").headers["date"] == "Thu, 09 Oct 2025 08:53:20 GMT"
    monkeypatch.setattr("time.time", lambda: 7.5)
    assert (RealClock(shift=100).time(), RealClock().now()) == (107.5, 7)
