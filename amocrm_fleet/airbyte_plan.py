"""Compares a fleet with its definition, sources and connections in Airbyte, and lists the steps to make them equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.airbyte_api import AirbyteApi, Json
from amocrm_warehouse.table_names import table_name
from source_amocrm.streams import STREAMS

NAME = "amoCRM"


@dataclass(frozen=True)
class Wanted:
    """What every connection should have. `streams`: empty for all. `period`: time between syncs (minutes)."""

    repository: str
    tag: str
    destination: str
    streams: tuple[str, ...] = ()
    period: int = 60

    @property
    def definition(self) -> Json:
        return {"name": NAME, "dockerRepository": self.repository, "dockerImageTag": self.tag}

    def connection(self, account: FleetAccount) -> Json:
        return {
            "name": f"{NAME} {account.name}",
            "destinationId": self.destination,
            "prefix": table_name(account.project),
            "schedule": {"scheduleType": "cron", "cronExpression": cron(account, self.period)},
            "nonBreakingSchemaUpdatesBehavior": "propagate_fully",
            "configurations": {"streams": [_stream(name) for name in self.streams or tuple(STREAMS)]},
        }


def cron(account: FleetAccount, period: int) -> str:
    """A Quartz expression whose minute, and for longer periods hour, depend on the account's name."""
    minute = account.spread(period)
    if period < 60:
        return f"0 {minute}/{period} * * * ? UTC"
    return f"0 {minute % 60} {'*' if period == 60 else f'{minute // 60}/{period // 60}'} * * ? UTC"


def _stream(name: str) -> Json:
    incremental = bool(STREAMS[name].cursor_field)
    return {"name": name, "syncMode": "incremental_deduped_history" if incremental else "full_refresh_overwrite"}


@dataclass(frozen=True)
class Existing:
    """The connector's definition in Airbyte, and the source and connection of each account by its name.

    `unknown_sources`: names of the definition's sources that match none of the chosen accounts.
    """

    definition: Json | None = None
    sources: Mapping[str, Json] = field(default_factory=dict)
    connections: Mapping[str, Json] = field(default_factory=dict)
    unknown_sources: tuple[str, ...] = ()


def find(api: AirbyteApi, wanted: Wanted, accounts: Iterable[FleetAccount]) -> Existing:
    """Looks up Airbyte's present objects by image and by name. Raises FleetError when two objects match."""
    definition = _only(
        (one for one in api.definitions() if one["dockerRepository"] == wanted.repository),
        f"source definitions of the image {wanted.repository}",
    )
    if definition is None:
        return Existing()
    ours = [source for source in api.sources() if source["definitionId"] == definition["id"]]
    every = api.connections()
    names = {f"{NAME} {account.name}": account.name for account in accounts}
    sources: dict[str, Json] = {}
    connections: dict[str, Json] = {}
    for title, name in names.items():
        source = _only((one for one in ours if one["name"] == title), f"sources called “{title}”")
        if source is None:
            continue
        sources[name] = source
        ends = source["sourceId"], wanted.destination
        connection = _only(
            (one for one in every if (one["sourceId"], one["destinationId"]) == ends),
            f"connections of the source “{title}” with this destination",
        )
        if connection:
            connections[name] = connection
    unknown = tuple(sorted(one["name"] for one in ours if one["name"] not in names))
    return Existing(definition, sources, connections, unknown)


def _only(things: Iterable[Json], what: str) -> Json | None:
    found = list(things)
    if len(found) > 1:
        raise FleetError(f"There are {len(found)} {what} in the workspace: remove or rename all but one.")
    return found[0] if found else None


@dataclass(frozen=True)
class Step:
    """One change in Airbyte.

    `title`: the plan's line, without secrets. `account`: None for the definition. `take`: sends the request, with the
    `definitionId` and the `sourceId` that earlier steps made, and returns Airbyte's answer.
    """

    title: str
    account: str | None
    take: Callable[[AirbyteApi, Json], Json]
    sends_sign_in: bool = False


def sign_in(account: FleetAccount) -> str:
    """A digest of the config's credentials, which tells whether Airbyte was sent these."""
    return hashlib.sha256(json.dumps(account.settings().get("credentials"), sort_keys=True).encode()).hexdigest()


def steps(wanted: Wanted, found: Existing, accounts: Iterable[FleetAccount], sent: Mapping[str, str]) -> list[Step]:
    """Plans the steps in order. `sent`: by account, the `sign_in` that was last sent to Airbyte. Raises FleetError."""
    made = list(_definition_steps(wanted, found))
    for account in accounts:
        made += _source_steps(account, found.sources.get(account.name), sent.get(account.name))
        made += _connection_steps(wanted, account, found.connections.get(account.name))
    return made


def _definition_steps(wanted: Wanted, found: Existing) -> Iterable[Step]:
    image = f"{wanted.repository}:{wanted.tag}"
    if found.definition is None:
        yield Step(f"+ definition {NAME}: {image}", None, lambda api, _: api.create_definition(wanted.definition))
    elif found.definition["dockerImageTag"] != wanted.tag:
        own_id, name = found.definition["id"], found.definition["name"]
        yield Step(
            f"~ definition {name}: {found.definition['dockerImageTag']} → {wanted.tag}",
            None,
            lambda api, _: api.update_definition(own_id, {"name": name, "dockerImageTag": wanted.tag}),
        )


def _source_steps(account: FleetAccount, source: Json | None, sent: str | None) -> Iterable[Step]:
    settings, name = account.settings(), f"{NAME} {account.name}"
    if source is None:
        yield Step(
            f"+ source {name}: {settings.get('account_domain')}",
            account.name,
            lambda api, made: api.create_source(
                {"name": name, "definitionId": made["definitionId"], "configuration": settings}
            ),
            sends_sign_in=True,
        )
        return
    held = source["configuration"]
    # Airbyte returns the credentials as asterisks, and with OAuth 2.0 it has a newer token than the config
    changed = {key: value for key, value in settings.items() if key != "credentials" and held.get(key) != value}
    renewed = sent is not None and sent != sign_in(account)
    if renewed:
        changed["credentials"] = settings["credentials"]
    if changed:
        shown = [f"{key} {held.get(key)!r} → {value!r}" for key, value in changed.items() if key != "credentials"]
        shown += ["a new sign-in"] if renewed else []
        yield Step(
            f"~ source {name}: {', '.join(shown)}",
            account.name,
            lambda api, _: api.update_source(source["sourceId"], {"configuration": changed}),
            sends_sign_in=renewed,
        )


def _connection_steps(wanted: Wanted, account: FleetAccount, connection: Json | None) -> Iterable[Step]:
    body = wanted.connection(account)
    if connection is None:
        yield Step(
            f"+ connection {body['name']}: {len(body['configurations']['streams'])} tables {body['prefix']}…, "
            f"{body['schedule']['cronExpression']}",
            account.name,
            lambda api, made: api.create_connection({**body, "sourceId": made["sourceId"]}),
        )
        return
    changed = {key: value for key, value in body.items() if _shape(connection.get(key)) != _shape(value)}
    changed.pop("destinationId", None)
    if changed:
        yield Step(
            f"~ connection {body['name']}: {', '.join(changed)}",
            account.name,
            lambda api, _: api.update_connection(connection["connectionId"], changed),
        )


def _shape(value: Any) -> Any:
    """Reduces a connection's value to the compared parts: names and modes of streams, type and cron of the schedule."""
    if isinstance(value, Mapping) and "streams" in value:
        return sorted((one["name"], one.get("syncMode")) for one in value["streams"])
    if isinstance(value, Mapping) and "scheduleType" in value:
        return value["scheduleType"], value.get("cronExpression")
    return value


def ids(found: Existing, account: str | None) -> Json:
    """Returns the `definitionId` and the account's `sourceId`, if they exist."""
    made: Json = {"definitionId": found.definition["id"]} if found.definition else {}
    if account in found.sources:
        made["sourceId"] = found.sources[str(account)]["sourceId"]
    return made
