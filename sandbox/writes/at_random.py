"""Random writes of every kind, as on ordinary working days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from ..account import Account
from ..generate.field_values import values_for
from . import cards, links, removal, settings
from .chance import line, some, some_kind
from .random_activity import change_note, change_task, drop_task, new_note, new_task

Write = Callable[[Account, Random], "str | None"]  # returns a description of the write, or None if none was possible

DAYS_IN_THE_TRASH = 30
"""Days after which nobody brings a contact back: what a sync kept of it is forgotten then."""


def create(account: Account, rng: Random) -> str:
    kind = some_kind(rng)
    contact, company = some(account, rng, "contacts"), some(account, rng, "companies")
    if kind == "leads":
        contacts = [contact] if contact is not None and rng.random() < 0.8 else []
        new = cards.create_lead(account, contacts=contacts, company=company if rng.random() < 0.4 else None)
    elif kind == "contacts":
        new = cards.create_contact(account, company=company if rng.random() < 0.5 else None)
    else:
        new = cards.create_company(account)
    return line("create", kind, new)


def rename(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    if row_id is None:
        return None
    cards.edit(account, kind, row_id, name=f"Имя {rng.randrange(10**6)}")
    return line("rename", kind, row_id)


def reassign(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    if row_id is None:
        return None
    cards.edit(account, kind, row_id, responsible_user_id=rng.choice(list(account.users)))
    return line("reassign", kind, row_id)


def price(account: Account, rng: Random) -> str | None:
    row_id = some(account, rng, "leads")
    if row_id is None:
        return None
    cards.edit(account, "leads", row_id, price=rng.randrange(10**6))
    return line("price", row_id)


def move(account: Account, rng: Random) -> str | None:
    row_id = some(account, rng, "leads")
    if row_id is None:
        return None
    pipeline = rng.choice(account.pipelines[:3])
    status = rng.choice(pipeline["statuses"][1:])["id"]
    reason = rng.choice([None, *(r["id"] for r in account.loss_reasons)])
    cards.move_status(account, row_id, status, pipeline["id"], loss_reason_id=reason)
    return line("move", row_id, pipeline["id"], status)


def lose(account: Account, rng: Random) -> str | None:
    row_id = some(account, rng, "leads")
    if row_id is None:
        return None
    cards.lose(account, row_id, rng.choice(account.loss_reasons)["id"])
    return line("lose", row_id)


def reopen(account: Account, rng: Random) -> str | None:
    row_id = some(account, rng, "leads")
    if row_id is None or account.row("leads", row_id)["status_id"] not in cards.CLOSED:
        return None
    cards.reopen(account, row_id)
    return line("reopen", row_id)


def fill_field(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    if row_id is None:
        return None
    field = rng.choice(account.fields[kind])
    cards.set_field(account, kind, row_id, field["id"], values_for(account, field, rng))
    return line("fill_field", kind, row_id, field["id"])


def empty_field(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    filled = account.row(kind, row_id)["custom_fields_values"] if row_id is not None else None
    if row_id is None or not filled:
        return None
    field_id = rng.choice(filled)["field_id"]
    rng.choice((cards.clear_field, cards.shrink_field))(account, kind, row_id, field_id)
    return line("empty_field", kind, row_id, field_id)


def throw_away(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    if row_id is None:
        return None
    removal.trash(account, kind, row_id)
    return line("trash", kind, row_id)


def bring_back(account: Account, rng: Random) -> str | None:
    kind, since = some_kind(rng), account.clock.now() - DAYS_IN_THE_TRASH * 86_400
    there = [one.id for one in account.trash[kind].values() if kind != "contacts" or one.at >= since]
    if not there:
        return None
    row_id = rng.choice(there)
    removal.restore(account, kind, row_id)
    return line("restore", kind, row_id)


def purge(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    if not account.trash[kind]:
        return None
    row_id = rng.choice(list(account.trash[kind]))
    removal.purge(account, kind, row_id)
    return line("purge", kind, row_id)


def merge(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    survivor, victim = some(account, rng, kind), some(account, rng, kind)
    if survivor is None or victim is None or survivor == victim:
        return None
    removal.merge(account, kind, survivor, victim)
    return line("merge", kind, survivor, victim)


def attach(account: Account, rng: Random) -> str | None:
    kind, to = rng.choice((("leads", "contacts"), ("leads", "companies"), ("contacts", "companies")))
    row_id, to_id = some(account, rng, kind), some(account, rng, to)
    if row_id is None or to_id is None:
        return None
    links.link(account, kind, row_id, to, to_id, main=rng.random() < 0.3)
    return line("link", kind, row_id, to, to_id)


def detach(account: Account, rng: Random) -> str | None:
    kind, to = rng.choice((("leads", "contacts"), ("leads", "companies"), ("contacts", "companies")))
    row_id = some(account, rng, kind)
    linked = account.links.of(kind, row_id, to) if row_id is not None else ()
    if row_id is None or not linked:
        return None
    to_id = rng.choice(linked)
    links.unlink(account, kind, row_id, to, to_id)
    return line("unlink", kind, row_id, to, to_id)


def product(account: Account, rng: Random) -> str | None:
    """Attaches a product to a deal, changes its quantity, or detaches it."""
    row_id = some(account, rng, "leads")
    catalogs = [catalog for catalog, elements in account.elements.items() if len(elements)]
    if row_id is None or not catalogs:
        return None
    present = account.links.elements.get(("leads", row_id), ())
    if present and rng.random() < 0.5:
        links.detach_element(account, "leads", row_id, rng.choice(present)["id"])
        return line("detach_element", row_id)
    catalog = rng.choice(catalogs)
    element = rng.choice([row_id for _, row_id in account.elements[catalog].index("id")])
    links.attach_element(account, "leads", row_id, catalog, element, rng.choice((1, 2, 0.5)))
    return line("attach_element", row_id, element)


def tag(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    if row_id is None:
        return None
    present = account.tags_of(kind, row_id)
    if present and rng.random() < 0.4:
        links.untag(account, kind, row_id, rng.choice(present)["name"])
        return line("untag", kind, row_id)
    links.tag(account, kind, row_id, rng.choice(account.tag_list[kind])["name"])
    return line("tag", kind, row_id)


def robot(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    ids = [row_id for _, row_id in account.tables[kind].index("id")]
    chosen = rng.sample(ids, min(len(ids), rng.randint(2, 12)))
    cards.mass_edit(account, kind, chosen)
    return line("mass_edit", kind, len(chosen)) if chosen else None


def odd_time(account: Account, rng: Random) -> str | None:
    """Sets updated_at to a past or future time, as an integration may."""
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    if row_id is None:
        return None
    shift = rng.choice((-400 * 86_400, -3_600, 3_600, 86_400))
    cards.edit(account, kind, row_id, updated_at=account.clock.now() + shift, name=f"Имя {rng.randrange(10**6)}")
    return line("odd_time", kind, row_id, shift)


def accept(account: Account, rng: Random) -> str | None:
    waiting = [uid for uid, record in account.unsorted.items() if record["lead"] in account.tables["leads"].rows]
    if not waiting:
        return None
    return line("accept", settings.accept_unsorted(account, rng.choice(waiting)))


# the writes of an ordinary day, with their relative frequencies
ORDINARY: tuple[tuple[Write, int], ...] = (
    (create, 12), (rename, 6), (reassign, 5), (price, 8), (move, 14), (lose, 5), (reopen, 3), (fill_field, 12),
    (empty_field, 5), (throw_away, 4), (bring_back, 3), (attach, 8), (detach, 4), (tag, 8), (product, 4), (new_task, 8),
    (change_task, 8), (drop_task, 2), (new_note, 8), (change_note, 4), (robot, 2), (accept, 1),
)  # fmt: skip
# writes that a cursor does not show, or not reliably
RARE: tuple[tuple[Write, int], ...] = ((purge, 2), (merge, 2), (odd_time, 3))


def random_edits(
    account: Account,
    count: int = 1,
    rng: Random | None = None,
    menu: Sequence[tuple[Write, int]] = ORDINARY,
) -> list[str]:
    """Makes `count` random writes from `menu`, fewer if the account allows no more. Returns a description of each."""
    rng = rng or account.random
    writes, weights = zip(*menu, strict=True)
    done: list[str] = []
    for _ in range(count * 20):
        if len(done) == count:
            break
        with account.lock:
            description = rng.choices(writes, weights)[0](account, rng)
        if description is not None:
            done.append(description)
    return done
