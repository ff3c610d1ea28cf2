"""Admission of one attempt: the most that the attempt may cost and use is held on every budget and limit over
its caller."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog

from functions.contract.call import Call, Caller
from functions.contract.policy import MIN_OUTPUT_TOKENS, MIN_REASONED_TOKENS, Policy
from functions.ports.models import Bounds
from models_registry.target import Target
from runtime.limits.capacities import BUDGET, OWNER, at_limit, told_first, too_large
from runtime.limits.ceilings import affordable, free_nano, full_ceiling, is_free
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Debt, Governor
from runtime.limits.plans import Plan, Plans
from runtime.limits.rate_headers import (
    KEY_MAX_BUDGET,
    KEY_SPEND,
    rate_headers,
    refused_headers,
)
from runtime.limits.refusals import LIMIT_TYPES, refusal
from runtime.limits.rules import Level, Limits, money_rules, rate_rules
from runtime.limits.shortfalls import NotEnough
from runtime.limits.slices import TOKENS, Need, Taken, give_back
from runtime.limits.tag_budgets import TagBudgets
from schema.errors.limits import BudgetExceeded, DeploymentAtLimit, RateLimited, TooManyTokens
from schema.labels import together
from schema.ledger.journal import HeldCharge, Settled
from schema.limits import Meter, Rule
from schema.money import dollars_text
from schema.window import window

MAX_TOKENS_HEADER = "x-switchgear-max-tokens"
log = structlog.get_logger("switchgear.budget")


class Admission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt holds of budgets and limits."""

    taken: Sequence[Taken] = ()
    charges: tuple[HeldCharge, ...] = ()
    """What the attempt holds of each budget, as the journal writes it."""
    ceiling_nano: int | None = None
    """The most that the attempt can cost. None where the attempt holds no budget."""
    output_limit: int | None = None
    """The limit of one answer, in tokens, that this gateway set so that the attempt fits its budgets. None
    where it set no limit."""


NOTHING_HELD = Admission()


class Admissions:
    """The admission of attempts. Each worker has one. `policy` gives the limits over all calls of the gateway
    together."""

    def __init__(
        self,
        governor: Governor,
        customers: EndUsers,
        policy: Policy,
        tags: TagBudgets | None = None,
    ) -> None:
        self._governor = governor
        self._tags = tags
        self._customers = customers
        self._policy = policy
        level = Level(kind="global", who="proxy", subject="everything")
        limits = Limits(
            max_budget=policy.budget,
            budget_duration=policy.budget_duration,
            max_parallel_requests=policy.parallel,
        )
        self._common = (*money_rules(level, limits), *rate_rules(level, limits))
        self._plans = Plans(self._common)

    async def admit(self, call: Call, target: Target, bounds: Bounds, customer: str | None) -> Admission:
        """Hold what the attempt may cost and use. Raises what `functions.ports.models.Ledger.hold` raises."""
        caller = call.caller
        extra: Sequence[Rule] = ()
        if customer or (self._tags is not None and self._tags.known):
            extra = await self._extra(call, target.public_name, customer)
        capped = target.capacity is not None
        if not (caller.rules or extra or self._common or capped):
            return NOTHING_HELD
        plan = self._plans.of(caller, extra, target.public_name, target if capped else None)
        try:
            admission = await self._admitted(call, target, bounds, plan, extra)
        except DeploymentAtLimit:
            raise  # another deployment may have room
        except (RateLimited, BudgetExceeded) as error:
            if isinstance(error, RateLimited):
                call.limit_headers.extend(refused_headers(plan.headers, self._governor, error))
            self._tell_key(call, plan)
            raise
        if admission.output_limit is not None:
            call.reply_headers[MAX_TOKENS_HEADER] = str(admission.output_limit)
        if plan.headers:
            call.limit_headers.extend(rate_headers(plan.headers, self._governor))
        self._tell_key(call, plan)
        return admission

    async def rules_over(self, call: Call, model: str) -> Sequence[Rule]:
        """The budgets and limits over a call to a model. Raises what `admit` raises of its customer."""
        extra = await self._extra(call, model, call.customer)
        return (*call.caller.rules, *extra, *self._common)

    async def _extra(self, call: Call, model: str, customer: str | None) -> Sequence[Rule]:
        """The rules of the call's customer and tags."""
        caller = call.caller
        extra: Sequence[Rule] = ()
        if customer:
            extra = await self._customers.rules(customer, model, caller.customer_budget_id)
        if self._tags is not None and self._tags.known:
            extra = (*extra, *self._tags.rules(together(call.tags or caller.tags, call.agent_tags)))
        return extra

    def _tell_key(self, call: Call, plan: Plan) -> None:
        """The headers of the key's own budget and limits. The money spent is told where it is known."""
        if plan.key_headers:
            call.limit_headers.extend(plan.key_headers)
        budget = plan.key_budget
        if budget is not None:
            if budget.extra:
                limit = dollars_text(budget.limit_at(self._governor.now_s)).encode()
                call.limit_headers.append((KEY_MAX_BUDGET, limit))
            spent = self._governor.slices.spent(budget)
            if spent is not None:
                call.limit_headers.append((KEY_SPEND, dollars_text(max(0, spent)).encode()))

    async def _admitted(
        self, call: Call, target: Target, bounds: Bounds, plan: Plan, extra: Sequence[Rule]
    ) -> Admission:
        rates: Sequence[Need] = plan.ones
        if call.attempts and rates:
            counted = self._counted(call, extra)
            rates = [need for need in rates if need.rule.account not in counted]
        if plan.token_limits:
            tokens = self._tokens(plan.token_limits, call.caller, bounds)
            rates = (*[Need(rule, tokens) for rule in plan.token_limits], *rates)
        if plan.budgets and not is_free(target.price):
            full = full_ceiling(target, bounds)
            admission = None if full is None else self._at_once(plan.budgets, rates, full)
            return admission or await self._held(call, plan.budgets, rates, target, bounds)
        return Admission(taken=self._governor.take(rates) or await self._taken(rates))

    def _counted(self, call: Call, extra: Sequence[Rule]) -> set[str]:
        """The accounts that count this call already, by limits on requests. A call is one request, however
        often it is attempted."""
        plans = (self._plans.of(call.caller, extra, each.model) for each in call.attempts)
        return {
            need.rule.account for plan in plans for need in plan.ones if need.rule.meter is Meter.REQUESTS
        }

    def settle(self, admission: Admission, settled: Settled) -> Debt | None:
        """Give back what the attempt held and did not use. The result is the debt of an attempt that cost
        more than it held."""
        cost, used = settled.cost_nano, settled.usage.total_tokens
        for taken in admission.taken:
            meter, amount = taken.slice.rule.meter, taken.amount
            if meter is Meter.MONEY:
                give_back(taken, amount - cost)
            elif meter is Meter.PARALLEL:
                give_back(taken, amount)
                self._governor.ended(taken.slice)
            else:
                give_back(taken, amount - used if meter in TOKENS else 0)
        if not admission.charges or cost <= admission.charges[0].taken_nano:
            return None
        debt = self._governor.overdrawn(admission.taken)
        _tell_exceeded(settled, admission.charges[0])
        return debt

    def release(self, admission: Admission) -> None:
        """Give back everything that an attempt holds. The attempt did not begin."""
        for taken in admission.taken:
            give_back(taken, taken.amount)
            if taken.slice.rule.meter is Meter.PARALLEL:
                self._governor.ended(taken.slice)

    def leaves_slot(self, admission: Admission) -> bool:
        """Whether the deployment's slot that an attempt gave back a moment ago is here for the next call. It
        is not where it went to another worker."""
        slots = (each.slice for each in admission.taken if each.slice.rule.meter is Meter.PARALLEL)
        return all(held.free > 0 for held in slots if held.rule.who == OWNER)

    async def _held(
        self, call: Call, budgets: Sequence[Rule], rates: Sequence[Need], target: Target, bounds: Bounds
    ) -> Admission:
        """Admit the attempt, with a limit on its output where it does not fit without one. A budget of the
        deployment limits no output before the call was everywhere else."""
        full = full_ceiling(target, bounds)
        if full is not None:
            if bounds.limited:
                return await self._charged(budgets, rates, full)
            try:
                return await self._charged(budgets, rates, full, patient=False)
            except RateLimited as error:
                if error.limit_type != BUDGET:
                    return await self._charged(budgets, rates, full)
                side = call.provider_side
                if target.model_id not in side.short_budgets:
                    side.short_budgets |= {target.model_id}
                    if isinstance(error, DeploymentAtLimit):
                        error.takes_less = True
                    raise
            except BudgetExceeded:
                log.debug("output_limited", model=target.public_name)
        return await self._limited(budgets, rates, target, bounds)

    async def _limited(
        self, budgets: Sequence[Rule], rates: Sequence[Need], target: Target, bounds: Bounds
    ) -> Admission:
        """Admit the attempt with a limit on its output. Three limits are tried: the default or more, then
        what fits into the budgets, then the least that is of use. Raises BudgetExceeded, with the figures of
        the last limit that was tried."""
        limit = self._output_limit(budgets, target, bounds)
        least = min(limit, bounds.at_least + self._least_output(target, bounds))

        async def at(tokens: int, *, patient: bool = True) -> Admission:
            bounds.cap(tokens)
            ceiling = full_ceiling(target, bounds)
            assert ceiling is not None, "a capped call has a bound"
            admission = await self._charged(budgets, rates, ceiling, patient=patient)
            return msgspec.structs.replace(admission, output_limit=tokens)

        try:
            return await at(limit)
        except BudgetExceeded as error:
            if limit <= least:
                raise
            fits = min(limit - 1, affordable(target, bounds, free_nano(error, target, bounds)))
        if fits > least:
            with suppress(BudgetExceeded):
                return await at(fits, patient=False)
        return await at(least)

    def _at_once(self, budgets: Sequence[Rule], rates: Sequence[Need], ceiling: int) -> Admission | None:
        """Admit the attempt from what is in memory. None where there is not enough in memory."""
        taken = self._governor.take([*[Need(rule, ceiling) for rule in budgets], *rates])
        return _charging(taken, len(budgets), ceiling) if taken else None

    async def _charged(
        self, budgets: Sequence[Rule], rates: Sequence[Need], ceiling: int, *, patient: bool = True
    ) -> Admission:
        taken = await self._taken([*[Need(rule, ceiling) for rule in budgets], *rates], patient=patient)
        return _charging(taken, len(budgets), ceiling)

    async def _taken(self, needs: Sequence[Need], *, patient: bool = True) -> list[Taken]:
        """Take what is needed. The result has the order of `needs`. Raises BudgetExceeded or RateLimited for
        the first account that is short, or DatabaseUnavailable."""
        try:
            return await self._governor.admit(needs, patient=patient)
        except NotEnough as short:
            standing = told_first(short.standings)
            account = standing.need.rule.account
            if standing.need.rule.who == OWNER:
                raise at_limit(standing, self._governor.now_s) from short
            raise refusal(
                standing,
                next(need.amount for need in needs if need.rule.account == account),
                held=self._governor.slices.held(account),
                now_s=self._governor.now_s,
                budget_status=self._policy.budget_exceeded_status,
            ) from short

    def _tokens(self, limits: Sequence[Rule], caller: Caller, bounds: Bounds) -> int:
        """The tokens to hold on limits on tokens. Where the caller set no limit on the output, the output is
        a guess, and the guess is lowered to fit. Raises TooManyTokens for a call that can never fit."""
        tokens = bounds.estimate(caller.estimated_output_tokens)
        lowest = limits[0] if len(limits) == 1 else min(limits, key=_limit)
        if tokens <= lowest.limit:
            return tokens
        least = tokens if bounds.limited else bounds.estimate(0)
        if least > lowest.limit:
            if lowest.who == OWNER:
                raise too_large(lowest, least)
            raise self._too_many_tokens(lowest, least)
        return lowest.limit

    def _too_many_tokens(self, rule: Rule, least: int) -> TooManyTokens:
        now_s = self._governor.now_s
        now = datetime.fromtimestamp(now_s, UTC)
        _, end = window(now, rule.duration or "1m", self._policy.zone)
        return TooManyTokens(
            f"Rate limit exceeded for {rule.who}: {rule.subject}. Limit type: {LIMIT_TYPES[rule.meter]}. "
            f"This call needs about {least} tokens, and the limit is {rule.limit}: it can never be let in.",
            param="max_tokens",
            limit_type=LIMIT_TYPES[rule.meter],
            reset_at_s=end.timestamp(),
        )

    def _output_limit(self, budgets: Sequence[Rule], target: Target, bounds: Bounds) -> int:
        """The tokens that one answer may have, where the most that the model can give does not fit. It is the
        default plus `bounds.at_least`. It is more where the model's own limit is known and the budgets have
        more left: the call may use an equal share of what is left, beside the calls under way."""
        default = bounds.at_least + self._policy.default_output_tokens
        if target.max_output_tokens is None:
            return default
        shares = [
            self._governor.slices.remaining(rule) // (self._governor.slices.calls(rule.account) + 1)
            for rule in budgets
        ]
        return min(max(default, affordable(target, bounds, min(shares))), target.max_output_tokens)

    def _least_output(self, target: Target, bounds: Bounds) -> int:
        """The fewest tokens that make an answer of use."""
        least = MIN_REASONED_TOKENS if bounds.reasons else MIN_OUTPUT_TOKENS
        least = self._policy.min_output_tokens or least
        return least if target.max_output_tokens is None else min(least, target.max_output_tokens)


def _charging(taken: list[Taken], budgets: int, ceiling: int) -> Admission:
    """The admission of what was taken. The first `budgets` entries of `taken` are of budgets. An attempt with
    a ceiling of 0 has charges too, since it may cost something all the same."""
    charges = tuple([_charge(each) for each in taken[:budgets]])
    return Admission(taken=taken, charges=charges, ceiling_nano=ceiling)


def _charge(taken: Taken) -> HeldCharge:
    held, rule = taken.slice, taken.slice.rule
    holder = rule.holder
    return HeldCharge(
        rule.account, held.epoch, held.worker, taken.amount, holder.kind, holder.object_id, holder.part
    )


def _tell_exceeded(settled: Settled, charge: HeldCharge) -> None:
    """Log that an attempt cost more than its ceiling."""
    log.error(
        "hold_exceeded",
        request_id=settled.request_id,
        account=charge.account,
        held_nano=charge.taken_nano,
        cost_nano=settled.cost_nano,
    )


def _limit(rule: Rule) -> int:
    return rule.limit
