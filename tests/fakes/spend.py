"""The `Spend` port over a list of rows. It passes the contract of `tests/runtime/reports/test_spend.py`."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from functions.contract.roles import Scope
from runtime.governance.tenancy import spend_reach
from schema.ledger.rows import SpendRow, is_earlier_id
from schema.money import usd
from schema.spend import SpendDay, SpendQuery, period


class FakeSpend:
    def __init__(self, rows: Iterable[SpendRow] = ()) -> None:
        self.booked = list(rows)

    async def rows(self, query: SpendQuery, *, scope: Scope) -> list[SpendRow]:
        period(query)
        found = [row for row in self.booked if _fits(row, query, scope)]
        found.sort(key=lambda row: (row.started_at, row.request_id), reverse=True)
        return found[: query.limit]

    async def days(self, query: SpendQuery, *, scope: Scope) -> list[SpendDay]:
        period(query)
        by_day: dict[str, list[SpendRow]] = defaultdict(list)
        for row in self.booked:
            if _fits(row, query, scope):
                by_day[row.started_at.strftime("%Y-%m-%d")].append(row)
        return [
            SpendDay(
                day=day,
                spend=usd(sum(row.cost_nano for row in rows)),
                users=_dollars((row.user_id, row.cost_nano) for row in rows),
                models=_dollars((row.model_group, row.cost_nano) for row in rows),
                api_keys=_dollars((row.key_hash, row.cost_nano) for row in rows),
            )
            for day, rows in sorted(by_day.items())
        ]


def _fits(row: SpendRow, query: SpendQuery, scope: Scope) -> bool:
    start, end = period(query)
    asked = query.request_id
    known_as = {row.request_id}
    if row.corrects is None:
        known_as.add(row.response_id or row.request_id)
        known_as |= set() if is_earlier_id(row.request_id) else {row.call_id}
    wanted = (
        (asked if asked in known_as else row.request_id, asked),
        (row.key_hash, query.api_key),
        (row.user_id, query.user_id),
    )
    within = (start is None or row.started_at >= start) and (end is None or row.started_at < end)
    everything, user_id, key_hash, teams, organizations = spend_reach(scope)
    reached = (
        everything
        or (user_id is not None and row.user_id == user_id)
        or (key_hash is not None and row.key_hash == key_hash)
        or row.team_id in teams
        or row.organization_id in organizations
    )
    return reached and within and all(value is None or found == value for found, value in wanted)


def _dollars(costs: Iterable[tuple[str, int]]) -> dict[str, Decimal]:
    sums: dict[str, int] = defaultdict(int)
    for name, cost_nano in costs:
        sums[name] += cost_nano
    return {name: usd(cost_nano) for name, cost_nano in sums.items()}
