"""Renders raw rows as the API does: with `_links`, `_embedded` by `with`, and shapes by the switches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .account import Account
from .store import Event, Row

PLURAL = {"lead": "leads", "contact": "contacts", "company": "companies", "customer": "customers", "task": "tasks"}
ONLY_WITH = {"source_id", "is_price_modified_by_robot"}  # columns of leads that only `with` shows
ONLY_WITH_OF_USERS = {"phone_number", "uuid", "amojo_id", "user_rank"}
AMOUNTS = {"leads": "price", "customers": "next_price"}


@dataclass
class Renderer:
    """`suffix`: the query string, with its question mark, that `_links.self` of rows repeats; "" for none."""

    account: Account
    base: str
    withs: frozenset[str]
    suffix: str = ""

    def href(self, path: str) -> Row:
        return {"self": {"href": f"{self.base}/api/v4/{path}{self.suffix}"}}

    def refs(self, kind: str, ids: Iterable[int]) -> list[Row]:
        return [{"id": i, "_links": self.href(f"{kind}/{i}")} for i in ids]

    def card(self, kind: str, row: Row) -> Row:
        """A lead, contact, company or customer."""
        switches = self.account.switches
        out = {k: v for k, v in row.items() if k not in ONLY_WITH or k in self.withs} if kind == "leads" else dict(row)
        out["custom_fields_values"] = self.fields(row["custom_fields_values"])
        if kind in AMOUNTS:
            out |= self.amount(AMOUNTS[kind], row)
        if kind == "leads" and switches.lead_source in ("embedded", "absent") and "source_id" in out:
            out["source_id"] = None
        if (kind == "companies" and not switches.companies_is_deleted) or (
            kind == "contacts" and not switches.contacts_is_deleted
        ):
            del out["is_deleted"]
        if kind == "contacts" and not switches.contacts_is_unsorted:
            del out["is_unsorted"]
        out["_links"] = self.href(f"{kind}/{row['id']}")
        out["_embedded"] = self.embedded(kind, row)
        return out

    def amount(self, name: str, row: Row) -> Row:
        """An amount in whole units and, by `minor_units`, the exact amount, 0 or nothing beside it."""
        exact = {"given": float(row[name]), "zero": 0}.get(self.account.switches.minor_units)
        return {name: int(row[name])} | ({} if exact is None else {f"{name}_with_minor_units": exact})

    def element(self, link: Row) -> Row:
        """A linked element of a catalog, with its quantity in `metadata`, beside it, or in both."""
        shapes: dict[str, Row] = {
            "metadata": link,
            "both": link | link["metadata"],
            "flat": {"id": link["id"]} | link["metadata"],
        }
        return shapes[self.account.switches.element_links]

    def embedded(self, kind: str, row: Row) -> Row:
        account, row_id, withs = self.account, row["id"], self.withs
        out: Row = {}
        if kind == "customers":
            out["segments"] = self.refs("customers/segments", account.segments_of.get(row_id, ()))
        out["tags"] = [dict(tag) for tag in account.tags_of(kind, row_id)]
        if kind in ("leads", "contacts") or (kind == "customers" and "companies" in withs):
            out["companies"] = self.refs("companies", account.linked(kind, row_id, "companies"))
        if "catalog_elements" in withs:
            out["catalog_elements"] = [self.element(e) for e in account.links.elements.get((kind, row_id), ())]
        if "contacts" in withs and kind in ("leads", "customers"):
            main = account.main_contact(kind, row_id)
            out["contacts"] = [
                {"id": i, "is_main": i == main, "_links": self.href(f"contacts/{i}")}
                for i in account.linked(kind, row_id, "contacts")
            ]
        elif "contacts" in withs and kind == "companies":
            out["contacts"] = self.refs("contacts", account.linked(kind, row_id, "contacts"))
        for other in ("leads", "customers"):
            if other in withs and kind in ("contacts", "companies"):
                out[other] = self.refs(other, account.linked(kind, row_id, other))
        if kind == "leads":
            self._lead_embedded(row, out)
        return out

    def _lead_embedded(self, row: Row, out: Row) -> None:
        if "loss_reason" in self.withs:
            reason = self.account.loss_reason(row["loss_reason_id"])
            shown = [self.loss_reason(reason)] if reason else []
            as_array = self.account.switches.loss_reason == "array"
            out["loss_reason"] = shown if as_array else next(iter(shown), None)
        if "source" in self.withs:
            out["source"] = self.source(row)

    def source(self, row: Row) -> Row | None:
        shown: dict[str, tuple[str, ...]] = {
            "embedded": ("id", "name", "external_id", "type"),
            "documented": ("id", "name"),
        }
        names = shown.get(self.account.switches.lead_source)
        source = next((s for s in self.account.sources if s["id"] == row["source_id"]), None)
        return {name: (source | {"type": "widget"})[name] for name in names} if source and names else None

    def loss_reason(self, reason: Row) -> Row:
        return {**reason, "_links": self.href(f"leads/loss_reasons/{reason['id']}")}

    def skeleton(self, row: Row, at: int, by: int) -> Row:
        """Renders a trashed row as `with=only_deleted` does."""
        known = {"id": row["id"], "updated_by": by, "updated_at": at, "is_deleted": True}
        known["account_id"] = row["account_id"]
        new = ("labor_cost", "is_unsorted", "is_price_computed")
        names = [name for name in row if name not in ONLY_WITH and name not in new]
        return {**dict.fromkeys(names), **known}

    def fields(self, filled: list[Row] | None) -> list[Row] | None:
        """Renders `custom_fields_values`."""
        switches = self.account.switches
        if not filled:
            return filled
        if switches.false_checkbox == "absent":
            filled = [f for f in filled if f["field_type"] != "checkbox" or f["values"] != [{"value": False}]]
        if switches.enum_key == "enum":
            filled = [{**f, "values": [_old_key(value) for value in f["values"]]} for f in filled]
        return filled or None

    def task(self, row: Row) -> Row:
        out = {**row, "_links": self.href(f"tasks/{row['id']}")}
        if row["result"] is None:
            empty: dict[str, Any] = {"array": [], "null": None}
            out["result"] = empty.get(self.account.switches.empty_result)
            if self.account.switches.empty_result == "absent":
                del out["result"]
        return out

    def note(self, kind: str, row: Row) -> Row:
        out = {**row, "_links": self.href(f"{kind}/{row['entity_id']}/notes/{row['id']}")}
        if not row["params"] and self.account.switches.notes_params_empty == "array":
            out["params"] = []
        if "is_pinned" not in self.withs or not self.account.switches.notes_pinned:
            del out["is_pinned"]
        return out

    def event(self, event: Event) -> Row:
        out = event._asdict()
        contact = out.pop("linked_talk_contact_id")
        out["account_id"] = self.account.id
        out["_links"] = self.href(f"events/{event.id}")
        kind = PLURAL.get(event.entity_type, event.entity_type)
        entity: Row = {"id": event.entity_id, "_links": self.href(f"{kind}/{event.entity_id}")}
        if f"{event.entity_type}_name" in self.withs and kind in self.account.tables:
            row = self.account.tables[kind].get(event.entity_id)
            entity["name"] = row["name"] if row else None
        out["_embedded"] = {"entity": entity}
        parents = {"entity": entity, "top": out}
        if contact is not None and (parent := parents.get(self.account.switches.talk_contact)) is not None:
            parent["linked_talk_contact_id"] = contact
        return out

    def pipeline(self, row: Row) -> Row:
        out = {k: v for k, v in row.items() if k != "statuses"}
        path = f"leads/pipelines/{row['id']}"
        statuses = [self.status(row["id"], status) for status in row["statuses"]]
        return {**out, "_links": self.href(path), "_embedded": {"statuses": statuses}}

    def status(self, pipeline_id: int, row: Row) -> Row:
        shown = {k: v for k, v in row.items() if k != "descriptions" or k in self.withs}
        return {**shown, "_links": self.href(f"leads/pipelines/{pipeline_id}/statuses/{row['id']}")}

    def user(self, row: Row) -> Row:
        where = self.account.switches.user_group
        out = {k: v for k, v in row.items() if k not in ONLY_WITH_OF_USERS or k in self.withs}
        out["_links"] = self.href(f"users/{row['id']}/")
        if where == "embedded":
            out["rights"] = {**row["rights"], "group_id": None}
        embedded: Row = {}
        if "role" in self.withs:
            roles = [r for r in self.account.roles if r["id"] == row["rights"]["role_id"]]
            embedded["roles"] = [
                {"id": r["id"], "name": r["name"], "_links": self.href(f"roles/{r['id']}")} for r in roles
            ]
        if "group" in self.withs and where != "rights":
            groups = [g for g in self.account.groups if g["id"] == row["rights"]["group_id"]]
            embedded["groups"] = [{"id": g["id"], "name": g["name"]} for g in groups]
        return {**out, "_embedded": embedded} if embedded else out

    def custom_field(self, kind: str, row: Row) -> Row:
        out = dict(row)
        if self.account.switches.fields_shape == "doc":
            out = {
                k: v
                for k, v in row.items()
                if k not in ("code", "entity_type", "is_deletable", "account_id", "is_computed", "hidden_statuses")
            }
        out["_links"] = self.href(f"{kind}/custom_fields/{row['id']}")
        return out


def _old_key(value: Row) -> Row:
    """Renames `enum_code` to its old name `enum`, which some answers still have."""
    return {("enum" if name == "enum_code" else name): part for name, part in value.items()}
