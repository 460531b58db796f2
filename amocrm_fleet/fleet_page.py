"""`source-amocrm fleet page`: the status of every account in one self-contained HTML file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.processes import log_of
from amocrm_fleet.status import Status, age, published, used, verified
from source_amocrm import atomic_file
from source_amocrm.secrecy import mask


def write_page(path: Path, found: Iterable[tuple[FleetAccount, Status]], now: datetime) -> None:
    """Writes the file, readable by its owner alone. Raises OSError."""
    path = path.absolute()
    rows = [
        {
            "name": account.name,
            "status": status,
            "ended": age(status.ended, now),
            "succeeded": age(status.succeeded, now),
            "verified": verified(status, now),
            "published": published(status, now),
            "published_sentence": mask(status.published.sentence) if status.published else "",
            "used": used(status, now),
            "failures": [mask(sentence) for sentence in status.last.failures],
            "log": os.path.relpath(log_of(account).absolute(), path.parent) if log_of(account).exists() else "",
        }
        for account, status in found
    ]
    environment = Environment(loader=PackageLoader("amocrm_fleet"), autoescape=True, undefined=StrictUndefined)
    text = environment.get_template("fleet.html").render(
        rows=rows, failed=sum(1 for row in rows if row["failures"]), now=f"{now:%Y-%m-%d %H:%M} UTC"
    )
    atomic_file.write(path, text)
