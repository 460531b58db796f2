"""Deals with a history: the status, the reason of loss and closed_at of each follow from its events."""

from __future__ import annotations

from random import Random

from ..account_data import AccountData, Gone
from ..store import Row
from ..values import event_field_value
from . import texts
from .history import History, Values
from .people import FieldPools, group_of, responsible
from .timeline import Timeline

WON, LOST = 142, 143
OUTCOMES = ((0.22, WON), (0.60, LOST), (1.0, None))


class Deals:
    """Writes the deals of one account, oldest first."""

    def __init__(self, account: AccountData, rng: Random, time: Timeline, history: History, users: list[int]) -> None:
        self.account = account
        self.rng = rng
        self.time = time
        self.history = history
        self.users = users
        self.groups = {user: group_of(account, user) for user in users}
        self.stages = {p["id"]: [s["id"] for s in p["statuses"] if s["type"] == 0][:-2] for p in account.pipelines}
        self.pipelines = [p["id"] for p in account.pipelines]
        self.reasons = [reason["id"] for reason in account.loss_reasons]
        self.contacts = list(account.tables["contacts"].rows)
        self.companies = list(account.tables["companies"].rows)
        self.products = [
            (catalog["id"], element)
            for catalog in account.catalogs
            if catalog["type"] == "products"
            for element in account.elements[catalog["id"]].rows
        ]

    def add(self, count: int) -> None:
        rows, row_id, rng = [], 20_000_000, self.rng
        self.pools = FieldPools(self.account, "leads", rng, count)
        for position, created in enumerate(self.time.moments(count)):
            row_id += 1 + int(rng.random() * 6)
            row = self._deal(row_id, created)
            rows.append(row)
            self._attach(row, position / count)
        self.account.tables["leads"].load((row["id"], row) for row in rows)
        self.account.claim_ids("leads", row_id)
        self._delete_some()

    def _deal(self, row_id: int, created: int) -> Row:
        rng, random, time, history = self.rng, self.rng.random, self.time, self.history
        user = responsible(rng, self.users)
        author = user if random() < 0.6 else 0
        pipeline = self.pipelines[min(int(random() ** 2 * 4), 3)]
        history.added("lead", row_id, author, created)
        pipeline, status, moment, closed, reason = self._walk(row_id, pipeline, created, user)
        price = int(random() ** 3 * 20_000) * 50 if random() < 0.8 else 0
        moment = self._small_changes(row_id, moment, user, price)
        exact = price + (0.5 if price and row_id % 6 == 0 else 0.75 if row_id % 50 == 1 else 0)
        chance = random()
        updated = time.burst("leads", moment) if chance < 0.15 else moment
        return {
            "id": row_id,
            "name": self._name(row_id),
            "price": exact,
            "responsible_user_id": user,
            "group_id": self.groups[user],
            "status_id": status,
            "pipeline_id": pipeline,
            "loss_reason_id": reason,
            "source_id": rng.choice(self.account.sources)["id"] if random() < 0.1 else None,
            "created_by": author,
            "updated_by": 0 if updated != moment or random() < 0.2 else user,
            "created_at": created,
            "updated_at": updated,
            "closed_at": closed,
            "closest_task_at": None,
            "is_deleted": False,
            "custom_fields_values": self.pools.draw() if random() < 0.95 else None,
            "score": None,
            "account_id": self.account.id,
            "labor_cost": int(random() * 90_000) if random() < 0.05 else None,
            "is_price_modified_by_robot": random() < 0.03,
            "is_price_computed": row_id % 9 == 0,
        }

    def _walk(
        self, row_id: int, pipeline: int, created: int, user: int
    ) -> tuple[int, int, int, int | None, int | None]:
        """Moves a deal through the stages. Returns pipeline, status, last event's time, closed_at, loss_reason_id."""
        random, time, history = self.rng.random, self.time, self.history
        stages = self.stages[pipeline]
        current, moment = (pipeline, stages[0]), created
        chance = random()
        goal = next(status for share, status in OUTCOMES if chance < share)
        for stage in stages[1 : 1 + int(random() * 2.2)]:
            moment = time.after(moment)
            history.moved(row_id, user, moment, (pipeline, stage), current)
            current = (pipeline, stage)
        if random() < 0.02:
            moment, other = time.after(moment), self.pipelines[int(random() * 2)]
            if other != current[0]:
                new = (other, self.stages[other][0])
                history.moved(row_id, 0, moment, new, current)
                current = new
        if goal is None:
            return *current, moment, None, None
        if random() < 0.05:  # lost once, reopened, and closed again below
            for status in (LOST, self.stages[current[0]][0]):
                moment = time.after(moment)
                history.moved(row_id, user, moment, (current[0], status), current)
                current = (current[0], status)
            if random() < 0.4:
                return *current, moment, None, None
        closed = time.after(moment)
        history.moved(row_id, user, closed, (current[0], goal), current)
        reason = self.reasons[int(random() * len(self.reasons))] if goal == LOST and random() < 0.85 else None
        return current[0], goal, closed, closed, reason

    def _small_changes(self, row_id: int, moment: int, user: int, price: int) -> int:
        random, time, history = self.rng.random, self.time, self.history
        if random() < 0.1:
            moment = time.after(moment)
            history.responsible("leads", row_id, 0, moment, user, self.users[int(random() * len(self.users))])
        if price and random() < 0.12:
            moment = time.after(moment)
            after: Values = [{"sale_field_value": {"sale": price}}]
            before: Values = [{"sale_field_value": {"sale": 0}}]
            history.write("sale_field_changed", "lead", row_id, user, moment, after, before)
        if random() < 0.2:
            moment = time.after(moment)
            field = self.account.fields["leads"][int(random() * 4)]
            specific = self.account.switches.field_event_type == "with_id"
            event_type = f"custom_field_{field['id']}_value_changed" if specific else "custom_field_value_changed"
            history.write(event_type, "lead", row_id, user, moment, [event_field_value(field, {"value": "1"})])
        return moment

    def _attach(self, row: Row, position: float) -> None:
        """Links contacts, a company, tags and products. `position`: the deal's share of the account's history (0…1)."""
        random, links, row_id = self.rng.random, self.account.links, row["id"]
        chance = random()
        wanted = 0 if chance < 0.1 else 1 if chance < 0.85 else 2 + int(random() * 2)
        for number in range(min(wanted, len(self.contacts))):
            index = int(position * len(self.contacts)) + int(random() * 7) - 3
            contact = self.contacts[max(0, min(index, len(self.contacts) - 1))]
            links.add("leads", row_id, "contacts", contact)
            if number == 0:
                links.main["leads", row_id] = contact
            if random() < 0.2:
                self.history.linked("leads", row_id, "contacts", contact, row["created_by"], row["created_at"])
        if self.companies and random() < 0.45:
            links.add("leads", row_id, "companies", self.companies[int(random() ** 1.5 * len(self.companies))])
        if random() < 0.25:
            tags = self.rng.sample(self.account.tag_list["leads"], 1 + int(random() * 2.2))
            self.account.tags["leads"][row_id] = tuple(tags)
            self.history.tagged("leads", row_id, tags, row["updated_by"], row["updated_at"])
        if self.products and random() < 0.05:
            catalog_id, element = self.rng.choice(self.products)
            metadata = {"quantity": 1 + int(random() * 5), "catalog_id": catalog_id}
            price = next((f["id"] for f in self.account.fields[f"catalogs/{catalog_id}"] if f["type"] == "price"), None)
            metadata["price_id"] = price if element % 2 else None
            links.elements["leads", row_id] = ({"id": element, "metadata": metadata},)

    def _name(self, row_id: int) -> str:
        random = self.rng.random
        chance = random()
        if chance < 0.3:
            return f"Сделка #{row_id}"
        names = texts.GOODS if chance < 0.8 else texts.DEALS
        return f"{names[int(random() * len(names))]} — {texts.FIRMS[int(random() * len(texts.FIRMS))]}"

    def _delete_some(self) -> None:
        """Trashes one deal in a hundred, purges half as many and restores a few."""
        table = self.account.tables["leads"]
        ids = list(table.rows)
        for row_id in self.rng.sample(ids, len(ids) // 50):
            row, chance, by = table.rows[row_id], self.rng.random(), self.users[0]
            at = self.time.after(row["updated_at"])
            self.history.write("lead_deleted", "lead", row_id, by, at)
            if chance < 0.25:
                self.history.write("lead_restored", "lead", row_id, by, self.time.after(at, 1))
                continue
            gone = Gone("leads", row_id, at, by, "trash" if chance < 0.75 else "purge", row)
            table.remove(row_id)
            self.account.gone["leads", row_id] = gone
            if gone.how == "trash":
                self.account.trash["leads"][row_id] = gone
