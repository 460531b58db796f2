"""Sales plans for the people of the demo's account, so that its report compares plan and fact."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from amocrm_warehouse.database import reading
from amocrm_warehouse.plans_and_costs import PLANS
from amocrm_warehouse.table_names import SCHEMA, table_name

MONTHS = 12
YEAR = 12
GROWTH = 1.2
STEP = 50_000
SOLD = """
    SELECT d.responsible_user_id,
           CAST(12 * extract(year FROM d.closed_at) + extract(month FROM d.closed_at) AS integer) - 1 AS month,
           sum(d.sale)
    FROM {deals} AS d
    JOIN {users} AS u ON u.user_id = d.responsible_user_id AND u.is_active
    WHERE d.status_id = 142 AND NOT d.is_deleted AND d.sale > 0
    GROUP BY 1, 2
"""


def write(database: str, project: str, path: Path, today: date) -> Path:
    """Writes a file of plans for the last twelve months.

    Each person's plan of a month is a fifth more than the person's monthly sales in that season of the year before: in
    that month, the one before it and the one after it.
    """
    deals, users = (f"{SCHEMA}.{table_name(project, name)}" for name in ("deals", "users"))
    with reading(database) as run:
        _, rows = run(SOLD.format(deals=deals, users=users))
    sold = {(user, month): float(amount) for user, month, amount in rows}
    last = 12 * today.year + today.month - 1
    with path.open("w", encoding="utf-8", newline="") as file:
        plans = csv.writer(file)
        plans.writerow(PLANS)
        for month in range(last - MONTHS + 1, last + 1):
            for user in sorted({user for user, _ in sold}):
                season = [sold.get((user, month - YEAR + near), 0) for near in (-1, 0, 1)]
                if plan := STEP * round(GROWTH * sum(season) / len(season) / STEP):
                    plans.writerow((project.lower(), date(month // 12, month % 12 + 1, 1), user, plan))
    return path
