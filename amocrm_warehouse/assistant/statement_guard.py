"""Guards an assistant's SELECT in DuckDB and PostgreSQL: it only reads, by functions that neither act nor take memory.

A read-only transaction is not enough. A SELECT can still call functions that take another role, end sessions, hold
locks, run a text as SQL, or make a gigabyte of one letter. So a statement is taken apart into words and signs, and

* each name before a parenthesis must be in KEYWORDS or FUNCTIONS, and in no schema; whatever else a database or an
  extension offers is refused by its name;
* nothing joins texts or turns a whole row into one, because each such step can double its input;
* other roles and settings stay out of reach: only `set_config` changes them in a SELECT, and names of PostgreSQL's own
  (pg_…) are refused.

A statement must mean the same in both databases, so quotes and comments of one dialect alone are refused.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from amocrm_warehouse.database import Run, reading
from amocrm_warehouse.database_address import is_file

LONGEST = 8_000
"""The most characters of a statement: the plan of a longer one may take more memory than its rows."""
MOST_COLUMNS = 60
"""The most columns of an answer, which is held in memory as a whole."""
_KEYWORDS = """
    all and any as between by case cube distinct else except exclude exists filter from group grouping having
    in intersect interval is join lateral like limit materialized not offset on or over partition rollup
    select sets some then union using values when where window with
"""
KEYWORDS = frozenset(_KEYWORDS.split())
_TYPES = """
    bigint bool boolean date decimal double float hugeint int integer interval numeric real smallint time
    timestamp timestamptz
"""
TYPES = frozenset(_TYPES.split())
"""The types that a value may be cast to. Texts are not among them: a row of a hundred columns would be one text."""
_FUNCTIONS = """
    abs age any_value arg_max arg_min avg bool_and bool_or cast ceil ceiling coalesce corr count count_if
    covar_pop covar_samp cume_dist date_add date_diff date_part date_sub date_trunc datediff day dayname
    dayofmonth dayofweek dayofyear dense_rank ends_with epoch every exp extract first_value floor greatest
    hour ifnull isodow lag last_day last_value lead least left length ln log lower ltrim make_date
    make_timestamp max max_by median min min_by minute mod mode month monthname now nth_value ntile nullif
    percent_rank percentile_cont percentile_disc position power quantile quantile_cont quantile_disc quarter
    rank regexp_matches regr_intercept regr_r2 regr_slope right round row_number rtrim sign split_part sqrt
    starts_with stddev stddev_pop stddev_samp strftime strpos strptime substring sum to_char to_date
    to_timestamp trim trunc try_cast upper var_pop var_samp variance week weekofyear width_bucket year
"""
FUNCTIONS = TYPES | frozenset(_FUNCTIONS.split())
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\r\n]*)|(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|[^\W\d]\w*)|(?P<number>\d[\w.]*)"""
    r"""|(?P<sign>.)""",
    re.DOTALL,
)
_SIGNS = frozenset("(),.*+-/%<>=!:~^")
_QUOTES_OF_DIALECTS = re.compile(r"(?i)\b[benux]['\"]|/\*")
_POWERS = """
    SELECT rolname FROM pg_catalog.pg_roles
    WHERE pg_catalog.pg_has_role(current_user, oid, 'member') AND (
        rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls OR rolname IN (
            'pg_checkpoint', 'pg_create_subscription', 'pg_execute_server_program', 'pg_maintain',
            'pg_read_server_files', 'pg_signal_autovacuum_worker', 'pg_signal_backend', 'pg_write_all_data',
            'pg_write_server_files'
        )
    ) ORDER BY rolname
"""
"""The roles of PostgreSQL with more rights than reading that the user is a member of, directly or not."""


class RefusedStatement(ValueError):
    """The sentence says what in the statement, or in the user's rights, is refused."""


class Token(NamedTuple):
    """`kind`: text, name, number, sign or space, as a comment is. `word`: of a name, in small letters unless quoted."""

    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text[1:-1].replace('""', '"') if self.text[0] == '"' else self.text.lower()


_NO = Token("", " ")


def rows_of(
    database: str, select: str, most: int, seconds: float, most_bytes: int = 10**6, memory: str | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Returns the columns and at most `most` rows of one SELECT, and no further row once these have `most_bytes`.

    `memory`: DuckDB's memory_limit. Raises RefusedStatement and DATABASE_ERRORS.
    """
    text = checked(select)
    with reading(database, read_only=True, seconds=seconds, memory=memory) as run:
        if not is_file(database):
            check_user(run)
        columns, _ = run(f"select * from (\n{text}\n) as selected limit 0")
        if len(columns) > MOST_COLUMNS:
            raise RefusedStatement(
                f"The statement has {len(columns)} columns. Name those you need, {MOST_COLUMNS} at most."
            )
        limited = f"select * from (\n{text}\n) as selected limit {most}"
        if is_file(database):
            return columns, within(most_bytes, iter(run(limited)[1]))
        run(f"declare selected no scroll cursor for {limited}")
        return columns, within(most_bytes, (row for _ in range(most) for row in run("fetch 1 from selected")[1]))


def within(most_bytes: int, rows: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Returns rows up to the one with which they have `most_bytes`."""
    found, size = list[tuple[Any, ...]](), 0
    while size < most_bytes and (row := next(rows, None)) is not None:
        found.append(row)
        size += sum(map(sys.getsizeof, row))
    return found


def check_user(run: Run) -> None:
    """Raises RefusedStatement for a PostgreSQL user who has, or can take by a role, more rights than reading."""
    _, roles = run(_POWERS)
    if roles:
        raise RefusedStatement(
            "--sql takes a PostgreSQL user who can only read. This one is, or can become, "
            f"{', '.join(str(role) for (role,) in roles)}. The page on security says how to make a reader."
        )


def checked(select: str) -> str:
    """Returns the statement without its comments. Raises RefusedStatement."""
    if len(select) > LONGEST:
        raise RefusedStatement(f"The statement is longer than {LONGEST:,} characters.")
    if found := _QUOTES_OF_DIALECTS.search(_TOKEN.sub(_without_insides, select)):
        raise RefusedStatement(f"“{found[0]}” is not taken. Write texts as 'text', names as \"name\", comments as --.")
    everything = [Token(str(one.lastgroup), one[0]) for one in _TOKEN.finditer(select)]
    while everything and (everything[-1].kind == "space" or everything[-1].text == ";"):
        everything.pop()
    tokens = [token for token in everything if token.kind != "space"]
    if not tokens or tokens[0].word not in ("select", "with") or any(token.text == ";" for token in tokens):
        raise RefusedStatement("One SELECT is taken, without a semicolon in it.")
    _check_tokens(tokens)
    return "".join(" " if token.text.startswith("--") else token.text for token in everything)


def _without_insides(found: re.Match[str]) -> str:
    """Empties texts and quoted names, and drops comments, so that a quote inside of them is no quote of a dialect."""
    token = found[0]
    return token[0] * 2 if token[0] in "'\"" and len(token) > 1 else " " if token.startswith("--") else token


def _check_tokens(tokens: list[Token]) -> None:
    opened: list[Token] = []
    """The token before each open parenthesis."""
    for earlier, before, token in zip([_NO, _NO, *tokens], [_NO, *tokens], tokens, strict=False):
        if token.kind == "sign" and token.text not in _SIGNS:
            if token.text == "|":
                raise RefusedStatement(
                    "“|” is not taken: texts are not joined here, because each joining can double them. Select each "
                    "text as a column."
                )
            signs = " ".join(sorted(_SIGNS))
            raise RefusedStatement(f"“{token.text}” is not taken: there are names, numbers, 'texts' and {signs} only.")
        if token.kind == "name" and token.word.startswith("pg_"):
            raise RefusedStatement(f"{token.word} is PostgreSQL's own. The marts are in the schema amocrm_marts.")
        if token.text == "(":
            opened.append(before)
            _check_call(before, earlier)
        elif token.text == ")" and not opened:
            raise RefusedStatement("A parenthesis is closed that was not opened.")
        elif token.text == ")":
            opened.pop()
        in_cast = before.text.lower() == "as" and opened and opened[-1].word in ("cast", "try_cast")
        if (in_cast or earlier.text + before.text == "::") and token.word not in TYPES:
            raise RefusedStatement(f"No value is cast to {token.word} here, only to {', '.join(sorted(TYPES))}.")
    if opened:
        raise RefusedStatement("A parenthesis is not closed.")


def _check_call(name: Token, before: Token) -> None:
    """Checks the token before a parenthesis: a name calls a function unless it is a keyword, or names columns."""
    if name.kind != "name" or name.word in KEYWORDS or before.text.lower() in ("as", "with", "recursive"):
        return
    if before.text == "." or name.word not in FUNCTIONS:
        schema = " of a schema" if before.text == "." else ""
        raise RefusedStatement(
            f"The function {name.word}{schema} is not offered here. There are {', '.join(sorted(FUNCTIONS))}."
        )
