"""Routes: which endpoint answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..context import Context
from ..http import Response
from . import activity, cards, dictionaries, extras

Endpoint = Callable[..., Response]
_CARD = f"({cards.KINDS})"
_FIELDS = f"({dictionaries.KINDS})"

# the first pattern that matches counts, and its groups become the endpoint's arguments
_API: tuple[tuple[str, Endpoint], ...] = (
    ("account", dictionaries.account),
    ("users", dictionaries.users),
    (r"users/(\d+)", dictionaries.user),
    ("roles", dictionaries.roles),
    ("leads/pipelines", dictionaries.pipelines),
    (r"leads/pipelines/(\d+)", dictionaries.pipeline),
    (r"leads/pipelines/(\d+)/statuses", dictionaries.statuses),
    ("leads/loss_reasons", dictionaries.loss_reasons),
    (r"leads/loss_reasons/(\d+)", dictionaries.loss_reason),
    ("leads/unsorted", extras.unsorted),
    ("leads/unsorted/summary", extras.unsorted_summary),
    (r"leads/unsorted/(\w+)", extras.unsorted_card),
    (f"{_FIELDS}/custom_fields", dictionaries.custom_fields),
    (f"{_FIELDS}/custom_fields/groups", dictionaries.field_groups),
    (rf"{_FIELDS}/custom_fields/(\d+)", dictionaries.custom_field),
    ("customers/transactions", extras.transactions),
    (r"customers/(\d+)/transactions", extras.transactions),
    ("customers/statuses", extras.customer_statuses),
    ("customers/segments", extras.segments),
    (f"{_CARD}", cards.cards),
    (f"{_CARD}/tags", dictionaries.tags),
    (f"{_CARD}/links", cards.mass_links),
    (f"{_CARD}/notes", activity.notes),
    (rf"{_CARD}/notes/(\d+)", activity.note),
    (rf"{_CARD}/(\d+)", cards.card),
    (rf"{_CARD}/(\d+)/links", cards.links_of),
    (rf"{_CARD}/(\d+)/notes", activity.notes),
    (rf"{_CARD}/(\d+)/files", cards.files_of),
    (rf"{_CARD}/(\d+)/subscriptions", extras.subscriptions),
    ("tasks", activity.tasks),
    (r"tasks/(\d+)", activity.task),
    ("events", activity.events),
    ("events/types", activity.event_types),
    (r"events/(\w+)", activity.event),
    ("catalogs", extras.catalogs),
    (r"catalogs/(\d+)", extras.catalog),
    (r"catalogs/(\d+)/elements", extras.elements),
    ("sources", dictionaries.sources),
    ("webhooks", dictionaries.webhooks),
    ("widgets", dictionaries.widgets),
    ("bots", extras.bots),
    ("talks", extras.talks),
    (r"talks/(\d+)", extras.talk),
    (r"talks/(\d+)/messages", extras.messages),
)
_DRIVE: tuple[tuple[str, Endpoint], ...] = (("files", extras.files), (r"files/([\w-]+)", extras.file))
ROUTES = tuple(
    (re.compile(f"/{root}/{pattern}/?"), endpoint)
    for root, routes in (("api/v4", _API), (r"v1\.0", _DRIVE))
    for pattern, endpoint in routes
)


def find(path: str) -> tuple[Endpoint, tuple[str, ...]] | None:
    """Returns a path's endpoint and its arguments, or None."""
    for pattern, endpoint in ROUTES:
        match = pattern.fullmatch(path)
        if match:
            return endpoint, match.groups()
    return None


def answer(context: Context) -> Response | None:
    """Returns the endpoint's answer, or None if there is no such path."""
    found = find(context.request.path)
    return found[0](context, *found[1]) if found else None
