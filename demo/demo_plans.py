"""Sales plans for the users of the demo's account, so that its report compares plan and fact."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from amocrm_warehouse.database import reading
from amocrm_warehouse.plans_and_costs import PLANS
from amocrm_warehouse.table_names import SCHEMA, table_name

MONTHS = 12
MONTHLY = 400_000


def write(database: str, project: str, path: Path, today: date) -> Path:
    """Writes a file of plans: the same amount for each active user and each of the last twelve months."""
    with reading(database) as run:
        _, users = run(f"SELECT user_id FROM {SCHEMA}.{table_name(project, 'users')} WHERE is_active ORDER BY 1")
    last = 12 * today.year + today.month - 1
    months = [date(month // 12, month % 12 + 1, 1) for month in range(last - MONTHS + 1, last + 1)]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(PLANS)
        rows.writerows((project.lower(), month, user, MONTHLY) for month in months for (user,) in users)
    return path
