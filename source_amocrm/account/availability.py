"""Which parts of amoCRM an account has: lists that are off, and lists that break off after their first rows.

A part that is off has no rows. Every other refusal is a failure: yesterday's rows are still in the list, and were not
read. Not paid for (402) and no rights (403) never mean that a part is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.models import FailureType

from source_amocrm.errors import AmocrmError, FeatureOff, NotFound, beginning_with
from source_amocrm.walk import Listing, Row
from source_amocrm.walk.by_page_number import in_id_order
from source_amocrm.walk.full import full


@dataclass(frozen=True)
class OptionalPart:
    """The list at `path` and the lists below it may be off, and are then refused with one of the `answers`.

    `setting`: the member of `/account` that tells of the part. If `is_on` holds for it, such a refusal is a failure.
    """

    path: str
    answers: tuple[type[AmocrmError], ...]
    setting: str | None = None
    is_on: Callable[[Any], bool] = lambda _: False


MODE, NO_CUSTOMERS = "customers_mode", ("unavailable", "disabled")
"""The setting of the lists of customers, and the values with which these lists are off and not requested."""
OPTIONAL_PARTS = (
    # amoCRM documents 422 for the statuses unless customers are led by expected purchases.
    OptionalPart("/api/v4/customers/statuses", (FeatureOff,), MODE, ("periodicity",).__contains__),
    # amoCRM documents 422 for segments, and so for their fields, unless customers are led by segments.
    OptionalPart("/api/v4/customers/segments", (FeatureOff,), MODE, ("segments",).__contains__),
    # Customers and their notes, tags, fields and purchases: 422, or the codes 425 (not available) and 426 (off).
    OptionalPart("/api/v4/customers", (FeatureOff,), MODE, ("segments", "periodicity").__contains__),
    # amoCRM's documents do not list loss reasons, so their answer while the setting is off is not known.
    OptionalPart("/api/v4/leads/loss_reasons", (FeatureOff, NotFound), "is_loss_reason_enabled", bool),
    # «Неразобранное» is empty if the setting is off. A missing setting may be on.
    OptionalPart("/api/v4/leads/unsorted", (FeatureOff, NotFound), "is_unsorted_on", lambda on: on is not False),
    # Talks have no setting. Their list is documented since July 2026; before, there was no such address.
    OptionalPart("/api/v4/talks", (NotFound,)),
    # Bots have no setting. Only Kommo's larger plans list them.
    OptionalPart("/api/v4/bots", (NotFound,)),
    # An account without an address of the files host has no files. If it has one, its refusals are failures.
    OptionalPart("/v1.0/files", (FeatureOff,), "drive_url", bool),
)


def _part_of(path: str | None) -> OptionalPart | None:
    return next((part for part in OPTIONAL_PARTS if f"{path}/".startswith(f"{part.path}/")), None)


NONE_THERE = "%s: there are none in this account. %s"  # Logged of a table or list whose part is off, with the refusal


def is_off(error: AmocrmError, account: Callable[[], Mapping[str, Any]]) -> bool:
    """Whether this refusal means that the part is off; `account` returns what `/account` says."""
    part = _part_of(error.path)
    if part is None or not isinstance(error, part.answers):
        return False
    return part.setting is None or not part.is_on(account().get(part.setting))


def off_by_settings(path: str, account: Callable[[], Mapping[str, Any]]) -> FeatureOff | None:
    """Returns why a list is off by the account's settings, so that it need not be requested; None if it must be."""
    part = _part_of(path)
    mode = account().get(MODE) if part and part.setting == MODE else None
    return FeatureOff(f"Customers are {mode} in the account.", path=path) if mode in NO_CUSTOMERS else None


@contextmanager
def broken_off_if_begun(listing: Listing) -> Iterator[None]:
    """Encloses the reading of a list. After the first row a refusal means that the list broke off, not that it is off.

    Raises such a refusal as a transient error.
    """
    try:
        yield
    except (FeatureOff, NotFound) as error:
        if listing.begun.is_set() and error.path == listing.path:
            sentence = "A list that amoCRM had begun to give broke off, and was not read to its end."
            raise beginning_with(sentence, error, FailureType.transient_error) from None
        raise


def whole(listing: Listing) -> list[Row]:
    """Reads a short list whole."""
    with broken_off_if_begun(listing):
        return full(listing)


def in_parts(listing: Listing) -> Iterator[Row]:
    """Yields each row of a list of any length once, in the order of IDs if the server has that order."""
    with broken_off_if_begun(listing):
        for page in in_id_order(listing):
            yield from page.rows
