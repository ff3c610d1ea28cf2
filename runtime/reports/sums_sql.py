"""The SQL of the queries that sum the rollups. Pure.

Money is summed in whole nano-USD, as the gateway books it, and is turned into dollars once for each group.
(Sums of NUMERIC took most of a large report's time.) Where somebody's own SQL wrote a fraction of a nano-USD
into a rollup, the fraction is rounded.
"""

from collections.abc import Collection, Sequence, Set
from typing import NamedTuple

from functions.contract.roles import Reach, Scope
from runtime.books import rollups
from runtime.governance.tenancy import reach_in_sql
from runtime.postgres.conditions import Conditions
from schema.errors.requests import InvalidRequest
from schema.ledger.measures import MEASURE_NAMES, MONEY
from schema.ledger.sums import Dimension, Metrics, SumsQuery

TOKENS = ("prompt_tokens", "completion_tokens")
"""The measures that make up `total_tokens`. The rollups have no column for the total."""
PEOPLE = frozenset({Dimension.API_KEY, Dimension.USER, Dimension.END_USER, Dimension.TAG})
"""The dimensions that can have thousands of values. A query without them sums the rows once by all its
dimensions, and its groupings then sum that short result."""

_LINES = """
    SELECT {by}, switchgear_sum(spend) * 0.000000001 AS spend, count(*) AS n,
        convert_to('[{{"model":' || string_agg(to_json(model)::text || ',"api_key":' || to_json(api_key)::text
            || ',"spend":' || spend * 0.000000001 || ',"total_tokens":' || total_tokens, '}},{{"model":')
            || '}}]', 'UTF8') AS lines
    FROM (
        SELECT {by}, model, api_key, switchgear_sum((spend * 1000000000)::bigint) AS spend,
            switchgear_sum(prompt_tokens + completion_tokens) AS total_tokens
        FROM "{table}"{where} GROUP BY {by}, model, api_key LIMIT {limit}
    ) AS summed GROUP BY {by} ORDER BY {by}
"""
"""The query of `lines`. It puts JSON together from text: with Postgres's JSON functions a month takes a third
longer. It gives the JSON as bytes, since the gateway only passes them on."""


class SumsSource(NamedTuple):
    """The table, columns and conditions of a query of sums."""

    table: str
    columns: list[Dimension]
    """The dimensions that are shown, each one once."""
    conditions: Conditions

    def rows(self, measures: Collection[str]) -> str:
        """The SQL of the rollup's rows that meet the conditions, with money in nano-USD."""
        shown = [each.value for each in self.columns]
        shown += [f"({name} * 1000000000)::bigint AS {name}" if name in MONEY else name for name in measures]
        return f'(SELECT {", ".join(shown) or "1"} FROM "{self.table}"{self.conditions.where}) AS found'


def source_of(query: SumsQuery, scope: Scope, *, also: Collection[Dimension] = ()) -> SumsSource:
    """The source for a query: the shortest rollup that can answer it. Raises InvalidRequest where no rollup
    has all the dimensions that the query uses."""
    columns = list(dict.fromkeys(each for by in query.by for each in by))
    used = {*columns, *query.where, *query.without, *also}
    if {Dimension.TAG, Dimension.END_USER} <= used:
        raise InvalidRequest("end_user: there are no sums by tag and end user at once.", param="end_user")
    conditions = Conditions()
    if query.days.first is not None:
        conditions.add("date >= {}", query.days.first)
    if query.days.last is not None:
        conditions.add("date <= {}", query.days.last)
    for dimension, values in query.where.items():
        conditions.among(dimension.value, values)
    for dimension, values in query.without.items():
        conditions.add(f"{dimension.value} <> ALL ({{}}::text[])", list(values))
    reach_in_sql(conditions, scope, user="user_id")
    rollup = _rollup(used, needs_owner=Reach.ALL not in scope.reaches)
    return SumsSource(rollup.table, columns, conditions)


def grouped(source: SumsSource, query: SumsQuery, limit: int) -> str:
    """The SQL of the sums. It gives, for each group: its dimensions, the number of its grouping (see `mask`),
    its metrics."""
    wanted = query.only or MEASURE_NAMES
    asked = [each.value for each in source.columns]
    listed = "".join(f"{name}, " for name in asked)
    masks = f"GROUPING({', '.join(asked)})" if asked else "0"
    order = ", ".join(asked) or "1"
    if query.top is not None:
        order = f"{_dollars('spend')} DESC, {order}"
    found = source.rows(wanted)
    if len(query.by) > 1 and not PEOPLE & set(source.columns):
        found = f"(SELECT {listed}{folded(wanted)} FROM {found} GROUP BY {', '.join(asked)}) AS folded"
    sets = ", ".join(f"({', '.join(each.value for each in by)})" for by in query.by)
    return (
        f"SELECT {listed}{masks} AS mask, {metrics(wanted)} FROM {found}"
        f" GROUP BY GROUPING SETS ({sets}) ORDER BY {order} LIMIT {limit}"
    )


def mask(columns: list[Dimension], by: Collection[Dimension]) -> int:
    """The number that SQL's GROUPING() gives for a group by the dimensions `by`. Each column is one bit, the
    last column the lowest: 0 where the group is by this column, else 1."""
    return int("".join("0" if each in by else "1" for each in columns) or "0", 2)


def spent_by_day(source: SumsSource, kinds: Sequence[Dimension], limit: int) -> str:
    """The SQL of what was spent by day. It gives, for each day and each of the dimensions: the number that
    GROUPING() gives, the names, and their nano-USD. The names are an array: tens of thousands of records
    would take longer than the sums."""
    asked = ", ".join(each.value for each in source.columns)
    sets = ", ".join(f"({Dimension.DATE.value}, {kind.value})" for kind in kinds)
    names = ", ".join(kind.value for kind in kinds)
    return (
        "SELECT date, mask, array_agg(name ORDER BY name) AS names, array_agg(spend ORDER BY name) AS spends"
        f" FROM (SELECT date, coalesce({names}) AS name, GROUPING({asked}) AS mask,"
        f" {folded(('spend',))} FROM {source.rows(('spend',))}"
        f" GROUP BY GROUPING SETS ({sets}) LIMIT {limit}) AS spent GROUP BY date, mask ORDER BY date"
    )


def days_of_the_dearest(source: SumsSource, top: int | None) -> str:
    """The SQL of the days of the values that cost the most. It gives rows of: the dimension's number, the
    day, the dimension's value, the metrics."""
    asked = [each.value for each in source.columns]
    day = Dimension.DATE.value
    rows = SumsSource(source.table, [Dimension.DATE, *source.columns], source.conditions).rows(MEASURE_NAMES)
    listed = ", ".join((day, *asked))
    base = f"SELECT {listed}, {folded(MEASURE_NAMES)} FROM {rows} GROUP BY {listed}"
    dearest = f"ORDER BY {_dollars('spend')} DESC"
    parts = [
        f"SELECT {number} AS number, {day}, {name} AS id, {metrics(MEASURE_NAMES)} FROM base"
        f" WHERE {name} IN (SELECT {name} FROM base GROUP BY {name} {dearest}, {name} LIMIT {top})"
        f" GROUP BY {day}, {name}"
        for number, name in enumerate(asked)
    ]
    return f"WITH base AS MATERIALIZED ({base}) {' UNION ALL '.join(parts)} ORDER BY number, {day}, id"


def lines(source: SumsSource, limit: int) -> str:
    """The SQL of groups with lines. It gives, for each group: its dimensions, its spend in dollars, how many
    lines it has, and the lines as JSON."""
    by = ", ".join(each.value for each in source.columns)
    return _LINES.format(by=by, table=source.table, where=source.conditions.where, limit=limit)


def folded(names: Collection[str]) -> str:
    """The SQL of sums that an outer query sums again."""
    return ", ".join(f"switchgear_sum({name}) AS {name}" for name in names)


def metrics(names: Collection[str]) -> str:
    """The SQL of the fields of Metrics, in their order. Fields that are not among `names` are zero."""
    return ", ".join(f"{_metric(name, names)} AS {name}" for name in Metrics.__struct_fields__)


PLAIN = ", ".join(
    f"{' + '.join(TOKENS)} AS {name}" if name == "total_tokens" else name
    for name in Metrics.__struct_fields__
)
"""The SQL of the fields of Metrics, for one row of a rollup."""


def _metric(name: str, wanted: Collection[str]) -> str:
    if name == "total_tokens":
        return " + ".join(f"coalesce(switchgear_sum({each}), 0)" for each in TOKENS if each in wanted) or "0"
    if name not in wanted:
        return "0::numeric" if name in MONEY else "0"
    return _dollars(name) if name in MONEY else f"coalesce(switchgear_sum({name}), 0)"


def _dollars(name: str) -> str:
    return f"coalesce(switchgear_sum({name}) * 0.000000001, 0)"


def _rollup(used: Set[Dimension], *, needs_owner: bool) -> rollups.Rollup:
    """The shortest rollup that has the dimensions `used`. With `needs_owner` it must also have the columns
    that a scope is limited by: key, user, team, organization."""
    if Dimension.TAG in used:
        return rollups.OF_TAGS
    if Dimension.END_USER not in used:
        return rollups.EVERYTHING
    if needs_owner or not used <= {Dimension.DATE, Dimension.END_USER}:
        return rollups.OF_END_USERS
    return rollups.END_USER_TOTALS
