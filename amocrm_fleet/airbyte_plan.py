"""What a fleet should be in Airbyte, what it is, and the steps between: pure, until a step is taken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amocrm_fleet import FleetError
from amocrm_fleet.airbyte_api import AirbyteApi, Thing
from amocrm_fleet.folder import FleetAccount
from source_amocrm.streams import STREAMS

NAME = "amoCRM"


@dataclass(frozen=True)
class Wanted:
    """`streams`: the names of those that are read; all of them where there is none. `period` in minutes."""

    repository: str
    tag: str
    destination: str
    streams: tuple[str, ...] = ()
    period: int = 60

    @property
    def definition(self) -> Thing:
        return {"name": NAME, "dockerRepository": self.repository, "dockerImageTag": self.tag}

    def connection(self, account: FleetAccount) -> Thing:
        return {
            "name": f"{NAME} {account.name}",
            "destinationId": self.destination,
            "prefix": f"amocrm_{account.project}_",
            "schedule": {"scheduleType": "cron", "cronExpression": cron(account, self.period)},
            "nonBreakingSchemaUpdatesBehavior": "propagate_fully",
            "configurations": {"streams": [_stream(name) for name in self.streams or tuple(STREAMS)]},
        }


def cron(account: FleetAccount, period: int) -> str:
    """Quartz's: each account at a minute, and of a longer period an hour, that its name decides."""
    minute = account.spread(period)
    if period < 60:
        return f"0 {minute}/{period} * * * ? UTC"
    return f"0 {minute % 60} {'*' if period == 60 else f'{minute // 60}/{period // 60}'} * * ? UTC"


def _stream(name: str) -> Thing:
    incremental = bool(STREAMS[name].cursor_field)
    return {"name": name, "syncMode": "incremental_deduped_history" if incremental else "full_refresh_overwrite"}


@dataclass(frozen=True)
class Found:
    """What Airbyte has of ours: the definition, and of each account its source and its connection."""

    definition: Thing | None = None
    sources: Mapping[str, Thing] = field(default_factory=dict)
    connections: Mapping[str, Thing] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    """Sources of the definition that no account of the folder is called like."""


def find(api: AirbyteApi, wanted: Wanted, accounts: Iterable[FleetAccount]) -> Found:
    """Raises FleetError where names leave open which thing is meant."""
    definition = _only(
        (one for one in api.definitions() if one["dockerRepository"] == wanted.repository),
        f"source definitions of the image {wanted.repository}",
    )
    if definition is None:
        return Found()
    ours = [source for source in api.sources() if source["definitionId"] == definition["id"]]
    every = api.connections()
    names = {f"{NAME} {account.name}": account.name for account in accounts}
    sources: dict[str, Thing] = {}
    connections: dict[str, Thing] = {}
    for title, name in names.items():
        source = _only((one for one in ours if one["name"] == title), f"sources called “{title}”")
        if source is None:
            continue
        sources[name] = source
        own = source["sourceId"], wanted.destination
        connection = _only(
            (one for one in every if (one["sourceId"], one["destinationId"]) == own),
            f"connections of the source “{title}” with this destination",
        )
        if connection:
            connections[name] = connection
    strangers = tuple(sorted(one["name"] for one in ours if one["name"] not in names))
    return Found(definition, sources, connections, strangers)


def _only(things: Iterable[Thing], what: str) -> Thing | None:
    found = list(things)
    if len(found) > 1:
        raise FleetError(f"There are {len(found)} {what} in the workspace: remove or rename all but one.")
    return found[0] if found else None


@dataclass(frozen=True)
class Step:
    """`said` is what a plan shows, without values of the sign-in. `take` does it and returns what Airbyte has then."""

    said: str
    account: str | None
    take: Callable[[AirbyteApi, Thing], Thing]
    """Given the things that the steps before it made: `definitionId`, `sourceId`."""
    sends_sign_in: bool = False


def sign_in(account: FleetAccount) -> str:
    """A digest of the credentials as the config gives them, by which it is known whether Airbyte has got them."""
    return hashlib.sha256(json.dumps(account.settings().get("credentials"), sort_keys=True).encode()).hexdigest()


def steps(wanted: Wanted, found: Found, accounts: Iterable[FleetAccount], sent: Mapping[str, str]) -> list[Step]:
    """`sent`: of each account the sign-in that Airbyte was given last. Raises FleetError."""
    made = list(_definition_steps(wanted, found))
    for account in accounts:
        made += _source_steps(account, found.sources.get(account.name), sent.get(account.name))
        made += _connection_steps(wanted, account, found.connections.get(account.name))
    return made


def _definition_steps(wanted: Wanted, found: Found) -> Iterable[Step]:
    image = f"{wanted.repository}:{wanted.tag}"
    if found.definition is None:
        yield Step(f"+ definition {NAME}: {image}", None, lambda api, _: api.create_definition(wanted.definition))
    elif found.definition["dockerImageTag"] != wanted.tag:
        own, called = found.definition["id"], found.definition["name"]
        yield Step(
            f"~ definition {called}: {found.definition['dockerImageTag']} → {wanted.tag}",
            None,
            lambda api, _: api.update_definition(own, {"name": called, "dockerImageTag": wanted.tag}),
        )


def _source_steps(account: FleetAccount, source: Thing | None, sent: str | None) -> Iterable[Step]:
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
    # the sign-in comes back as asterisks, and with OAuth 2.0 Airbyte has a newer token than the config
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


def _connection_steps(wanted: Wanted, account: FleetAccount, connection: Thing | None) -> Iterable[Step]:
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
    """What is compared: of streams their names and modes, of the schedule what was asked for; order is none."""
    if isinstance(value, Mapping) and "streams" in value:
        return sorted((one["name"], one.get("syncMode")) for one in value["streams"])
    if isinstance(value, Mapping) and "scheduleType" in value:
        return value["scheduleType"], value.get("cronExpression")
    return value


def ids(found: Found, account: str | None) -> Thing:
    """What a step may refer to, as far as it is there already."""
    made: Thing = {"definitionId": found.definition["id"]} if found.definition else {}
    if account in found.sources:
        made["sourceId"] = found.sources[str(account)]["sourceId"]
    return made
