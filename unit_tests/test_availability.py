"""Which refusals mean that a part is switched off: every list, every refusal, every value of its setting."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.account import availability
from source_amocrm.errors import REFUSALS, FeatureOff, Forbidden, NotFound, NotGranted, Unpaid

EVERY = (*REFUSALS, NotGranted)
CUSTOMERS = "/api/v4/customers"
MODES = ("unavailable", "disabled", "segments", "periodicity", None, "another", 5, ["segments"])


def believed(path: str, setting: str, value: Any) -> set[type]:
    found: set[type] = set()
    for kind in EVERY:
        if availability.is_off(kind("Refused.", path=path), lambda: {} if value is None else {setting: value}):
            found.add(kind)
    return found


@pytest.mark.parametrize(
    ("path", "on"),
    [
        (CUSTOMERS, ("segments", "periodicity")),
        (f"{CUSTOMERS}/notes", ("segments", "periodicity")),
        (f"{CUSTOMERS}/transactions", ("segments", "periodicity")),
        (f"{CUSTOMERS}/statuses", ("periodicity",)),
        (f"{CUSTOMERS}/segments", ("segments",)),
        (f"{CUSTOMERS}/segments/custom_fields", ("segments",)),
    ],
)
def test_customers_are_off_by_the_mode_of_the_account(path: str, on: tuple[str, ...]) -> None:
    for mode in MODES:
        assert believed(path, "customers_mode", mode) == (set() if mode in on else {FeatureOff})
        error = availability.off_by_settings(path, lambda mode=mode: {"customers_mode": mode})  # type: ignore[misc]
        assert (str(error), error and error.path) == (
            (f"Customers are {mode} in the account.", path) if mode in ("unavailable", "disabled") else ("None", None)
        )


@pytest.mark.parametrize(
    ("path", "setting", "value", "kinds"),
    [
        ("/api/v4/leads/loss_reasons", "is_loss_reason_enabled", True, set()),
        ("/api/v4/leads/loss_reasons", "is_loss_reason_enabled", False, {FeatureOff, NotFound}),
        ("/api/v4/leads/loss_reasons", "is_loss_reason_enabled", None, {FeatureOff, NotFound}),
        ("/api/v4/leads/unsorted", "is_unsorted_on", True, set()),
        ("/api/v4/leads/unsorted", "is_unsorted_on", False, {FeatureOff, NotFound}),
        ("/api/v4/leads/unsorted", "is_unsorted_on", None, set()),
        ("/api/v4/talks", "", None, {NotFound}),
        ("/api/v4/bots", "", None, {NotFound}),
        ("/v1.0/files", "drive_url", None, {FeatureOff}),
        ("/v1.0/files", "drive_url", "https://drive-b.amocrm.ru", set()),
    ],
)
def test_parts_that_settings_switch_off(path: str, setting: str, value: Any, kinds: set[type]) -> None:
    assert believed(path, setting, value) == kinds


@pytest.mark.parametrize(
    "path",
    [
        *(f"/api/v4/{name}" for name in ("leads", "contacts", "companies", "tasks", "events", "events/types")),
        *(f"/api/v4/{name}" for name in ("leads/notes", "leads/tags", "leads/custom_fields", "leads/pipelines")),
        *(f"/api/v4/{name}" for name in ("catalogs", "catalogs/5/elements", "catalogs/5/custom_fields/groups")),
        *(f"/api/v4/{name}" for name in ("users", "roles", "sources", "webhooks", "widgets", "account", "customersx")),
    ],
)
def test_no_refusal_of_another_list_means_that_it_is_off(path: str) -> None:
    for kind in EVERY:
        assert not availability.is_off(kind("Refused.", path=path), dict)
    assert availability.off_by_settings(path, lambda: {"customers_mode": "disabled"}) is None


def test_a_list_that_is_not_paid_for_or_not_allowed_is_never_off() -> None:
    answers = {kind for one in availability.OPTIONAL_PARTS for kind in one.answers}
    assert not answers & {Unpaid, Forbidden, NotGranted}
    assert not availability.is_off(FeatureOff("Without a list."), dict)
