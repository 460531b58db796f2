"""Sales plans for the people of the demo's account, so that its report compares plan and fact."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

from amocrm_warehouse.database import reading
from amocrm_warehouse.plans_and_costs import PLANS
from amocrm_warehouse.table_names import SCHEMA, table_name

MONTHS = 12
YEAR = 12
GROWTH = 1.3
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

    Each person's plan of a month is three tenths more than the person sold in a month of the year before it, by the
    season: what all sold in that month and its neighbours a year ago, in shares of that year's average.
    """
    deals, users = (f"{SCHEMA}.{table_name(project, name)}" for name in ("deals", "users"))
    with reading(database) as run:
        _, rows = run(SOLD.format(deals=deals, users=users))
    sold = {(user, month): float(amount) for user, month, amount in rows}
    all_sold: dict[int, float] = defaultdict(float)
    for (_, month), amount in sold.items():
        all_sold[month] += amount
    last = 12 * today.year + today.month - 1
    with path.open("w", encoding="utf-8", newline="") as file:
        plans = csv.writer(file)
        plans.writerow(PLANS)
        for month in range(last - MONTHS + 1, last + 1):
            year = range(month - YEAR, month)
            average = sum(all_sold[one] for one in year) / YEAR
            then = sum(all_sold[month - YEAR + near] for near in (-1, 0, 1)) / 3
            season = then / average if average else 1
            for user in sorted({user for user, _ in sold}):
                usual = sum(sold.get((user, one), 0) for one in year) / YEAR
                if plan := STEP * round(GROWTH * season * usual / STEP):
                    plans.writerow((project.lower(), date(month // 12, month % 12 + 1, 1), user, plan))
    return path
