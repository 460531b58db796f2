"""What amoCRM may answer, what is done about it and what is said: one table, in which the first rule that fits wins."""

from __future__ import annotations

from source_amocrm.http.rules.answers import ANSWERS
from source_amocrm.http.rules.failures import NO_ANSWER, OF_THE_SERVER
from source_amocrm.http.rules.files_host import FILES_HOST
from source_amocrm.http.rules.refusals import BY_NUMBER, BY_STATUS
from source_amocrm.http.rules.rule import Rule
from source_amocrm.http.rules.token_endpoint import TOKEN_ENDPOINT

TABLE: tuple[Rule, ...] = (
    *FILES_HOST,
    *ANSWERS,
    *TOKEN_ENDPOINT,
    *BY_NUMBER,
    *BY_STATUS,
    *OF_THE_SERVER,
    *NO_ANSWER,
)
