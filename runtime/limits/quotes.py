"""Says what an attempt could cost, and how the budgets and limits over a call stand. It holds nothing.
Implements `functions.ports.models.Quotes`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from functions.contract.call import Call
from functions.ports.models import Bounds
from models_registry.model_names import covers
from models_registry.target import Target
from runtime.limits.admission import Admissions
from runtime.limits.capacities import rules_of
from runtime.limits.ceilings import full_ceiling
from runtime.postgres.database import Database
from schema.explain import ExplainedRule
from schema.limits import Meter, Rule
from schema.money import NANO_PER_USD

OWN = frozenset({"api_key", "team", "user", "team_member"})
"""Whose budgets and limits a caller sees that is no administrator."""
PER_MODEL = "model_per_"
KINDS = MappingProxyType(
    {
        Meter.MONEY: "budget",
        Meter.REQUESTS: "requests",
        Meter.TOKENS: "tokens",
        Meter.DAY_TOKENS: "tokens",
        Meter.PARALLEL: "parallel_requests",
    }
)
_STANDINGS = """
    SELECT asked.account,
           CASE WHEN asked.kind <> ''
                THEN coalesce(switchgear_spent(asked.kind, asked.id, asked.part), 0) * 1e9
                WHEN a.window_end <= clock_timestamp() THEN 0 ELSE coalesce(a.spent, 0) END AS spent,
           CASE WHEN a.window_end <= clock_timestamp() THEN 0 ELSE coalesce(a.leased, 0) END AS leased,
           CASE WHEN a.window_end > clock_timestamp() THEN a.window_end END AS window_end
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS asked (account, kind, id, part)
    LEFT JOIN "Switchgear_Account" a ON a.account = asked.account
"""


class LimitQuotes:
    """One a worker."""

    def __init__(self, admissions: Admissions, database: Database) -> None:
        self._admissions = admissions
        self._database = database

    def ceiling(self, target: Target, bounds: Bounds) -> int | None:
        """The most that an attempt can cost, in nano-USD. None: nothing limits its output, or its price is
        unknown. Raises UnboundedCost where a field's cost has no bound."""
        if target.price is None:
            return None
        return 0 if target.price.is_free else full_ceiling(target, bounds)

    async def rules(self, call: Call, model: str, *, everything: bool) -> Sequence[ExplainedRule]:
        """How the budgets and limits over a call to a model stand. `everything`: those of all levels. Raises
        DatabaseUnavailable."""
        rules = await self._admissions.rules_over(call, model)
        seen = [
            rule
            for rule in rules
            if (rule.model is None or covers(rule.model, model)) and (everything or _is_own(rule))
        ]
        return await self._shown(seen)

    async def budgets(self, call: Call, model: str) -> Sequence[Rule]:
        """The budgets over a call to a model, of all levels. Raises DatabaseUnavailable, and what the call's
        customer is refused with."""
        rules = await self._admissions.rules_over(call, model)
        return [
            rule
            for rule in rules
            if rule.meter is Meter.MONEY and (rule.model is None or covers(rule.model, model))
        ]

    async def capacity(self, target: Target) -> Sequence[ExplainedRule]:
        """How the limits and budgets of a deployment stand. Raises DatabaseUnavailable."""
        return await self._shown(rules_of(target))

    async def _shown(self, rules: Sequence[Rule]) -> list[ExplainedRule]:
        if not rules:
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _STANDINGS,
                [rule.account for rule in rules],
                [rule.holder.kind if rule.meter is Meter.MONEY else "" for rule in rules],
                [rule.holder.object_id for rule in rules],
                [rule.holder.part for rule in rules],
            )
        standings = {row["account"]: row for row in rows}
        now_s = datetime.now(UTC).timestamp()
        return [
            ExplainedRule(
                of=rule.who,
                subject=rule.subject,
                kind=KINDS[rule.meter],
                limit=_amount(rule.meter, rule.limit_at(now_s)),
                used=_amount(
                    rule.meter, int(standings[rule.account]["spent"]) + standings[rule.account]["leased"]
                ),
                duration=rule.duration,
                resets_at=standings[rule.account]["window_end"],
                model=rule.model,
            )
            for rule in rules
        ]


def _is_own(rule: Rule) -> bool:
    who = rule.who.removeprefix(PER_MODEL)
    return rule.who in OWN or (rule.who.startswith(PER_MODEL) and who in ("key", "team", "user", "member"))


def _amount(meter: Meter, amount: int) -> Decimal:
    return Decimal(amount) / NANO_PER_USD if meter is Meter.MONEY else Decimal(amount)
