"""What comes in by itself: leads that wait in «Неразобранное», and talks, where the account lists them."""

from __future__ import annotations

from source_amocrm.streams.rows import incoming
from source_amocrm.sync.tables import one_list

TABLES = (
    one_list("unsorted", "unsorted_id", "/api/v4/leads/unsorted", "unsorted", incoming.unsorted),
    one_list("talks", "talk_id", "/api/v4/talks", "talks", incoming.talk),
)
