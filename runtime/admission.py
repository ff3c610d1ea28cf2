"""Letting one attempt in: what it may cost and use, and holding that on everything over its caller."""

from collections.abc import Iterator, Sequence

import msgspec
import structlog

from functions.context import Bounds, Call, Caller
from functions.policy import Policy
from models_registry.price import Price, ceiling_nano
from models_registry.target import Target
from runtime.customers import Customers
from runtime.governor import Governor, NotEnough
from runtime.refusals import refusal
from runtime.rules import Level, Limits, money_rules, rate_rules
from runtime.slices import Need, Taken
from schema.errors import BudgetExceeded, RateLimited, TooManyTokens, UnboundedCost
from schema.limits import Meter, Rate, Rule
from schema.spend import Charge, SpendRow

MAX_TOKENS_HEADER = "x-switchgear-max-tokens"
TOKENS = (Meter.TOKENS, Meter.DAY_TOKENS)
WHAT = {
    Meter.REQUESTS: "requests",
    Meter.TOKENS: "tokens",
    Meter.DAY_TOKENS: "tokens-day",
    Meter.PARALLEL: "max_parallel_requests",
}


log = structlog.get_logger("switchgear.budget")


class Admission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt holds."""

    taken: Sequence[Taken] = ()
    output_limit: int | None = None
    """Of one answer, where it had to be limited to fit."""


NOTHING_HELD = Admission()


class Admissions:
    """One a worker. `policy` has the limits of everything together."""

    def __init__(self, governor: Governor, customers: Customers, policy: Policy) -> None:
        self._governor = governor
        self._customers = customers
        self._policy = policy
        self.exceeded = 0
        """Attempts that cost more than was held for them."""
        level = Level(kind="global", who="proxy", subject="everything")
        limits = Limits(
            max_budget=policy.budget,
            budget_duration=policy.budget_duration,
            max_parallel_requests=policy.parallel,
        )
        self._common = (*money_rules(level, limits), *rate_rules(level, limits))

    async def admit(self, call: Call, target: Target, bounds: Bounds, customer: str | None) -> Admission:
        """Hold everything. Raises what `functions.context.Ledger.hold` does."""
        rules: Sequence[Rule] = call.caller.rules
        if customer:
            rules = (*rules, *await self._customers.rules(customer, target.public_name))
        if self._common:
            rules = (*rules, *self._common)
        if not rules:
            return NOTHING_HELD
        name = target.public_name
        rules = [rule for rule in rules if rule.model is None or rule.model == name]
        money = any(rule.meter is Meter.MONEY for rule in rules) and not _is_free(target.price)
        if not money:
            rules = [rule for rule in rules if rule.meter is not Meter.MONEY]
        admission = await self._held(rules, call.caller, target, bounds, money=money)
        self._tell(call, rules, admission)
        return admission

    def settle(self, admission: Admission, row: SpendRow) -> tuple[Charge, ...]:
        """Give back what the attempt did not use; gives what it takes out of its budgets."""
        charges = []
        for taken in admission.taken:
            rule = taken.slice.rule
            if rule.meter is Meter.MONEY:
                cost = row.cost_nano
                if cost > taken.amount:
                    self._exceeded(row, taken)
                self._governor.release(taken, max(0, taken.amount - cost))
                if cost:
                    charges.append(_charge(taken, cost))
            elif rule.meter in TOKENS:
                self._governor.release(taken, taken.amount - row.prompt_tokens - row.completion_tokens)
            else:
                self._governor.release(taken, taken.amount if rule.meter is Meter.PARALLEL else 0)
        return tuple(charges)

    def _exceeded(self, row: SpendRow, taken: Taken) -> None:
        """A provider charged more than was thought possible: booked in full, and an alert."""
        self.exceeded += 1
        log.error(
            "hold_exceeded",
            request_id=row.request_id,
            model=row.model_group,
            account=taken.slice.rule.account,
            held_nano=taken.amount,
            cost_nano=row.cost_nano,
        )

    async def _held(
        self, rules: Sequence[Rule], caller: Caller, target: Target, bounds: Bounds, *, money: bool
    ) -> Admission:
        tokens = _tokens(rules, caller, bounds)
        if not money:
            return await self._admitted(rules, 0, tokens)
        full = full_ceiling(target, bounds)
        if full is not None:
            if bounds.limited:
                return await self._admitted(rules, full, tokens)
            try:
                return await self._admitted(rules, full, tokens, patient=False)
            except RateLimited:
                return await self._admitted(rules, full, tokens)
            except BudgetExceeded:
                log.debug("output_limited", model=target.public_name)
        limit = self._output_limit(rules, target, bounds)
        bounds.cap(limit)
        ceiling = full_ceiling(target, bounds)
        assert ceiling is not None, "a capped call has a bound"
        admission = await self._admitted(rules, ceiling, tokens)
        return msgspec.structs.replace(admission, output_limit=limit)

    async def _admitted(
        self, rules: Sequence[Rule], ceiling: int, tokens: int, *, patient: bool = True
    ) -> Admission:
        needs = [Need(rule, _amount(rule, ceiling, tokens)) for rule in rules]
        try:
            return Admission(taken=await self._governor.admit(needs, patient=patient))
        except NotEnough as short:
            standing = short.standings[0]
            rule = standing.need.rule
            raise refusal(
                standing,
                _amount(rule, ceiling, tokens),
                now_s=self._governor.now_s,
                budget_status=self._policy.budget_exceeded_status,
            ) from short

    def _output_limit(self, rules: Sequence[Rule], target: Target, bounds: Bounds) -> int:
        """Tokens for one answer where all that the model could give does not fit: the default, or
        more where it is known how much the model can give, and there is plenty left."""
        default = self._policy.default_output_tokens
        if target.max_output_tokens is None or target.price is None:
            return default
        shares = [
            self._governor.slices.remaining(rule) // (self._governor.slices.calls(rule.account) + 1)
            for rule in rules
            if rule.meter is Meter.MONEY
        ]
        dearest = ceiling_nano(target.price, bounds.prompt_tokens, 0)
        per_token = max(1, ceiling_nano(target.price, bounds.prompt_tokens, 1_000_000) - dearest)
        affordable = max(0, min(shares) - dearest) * 1_000_000 // per_token // bounds.answers
        return min(max(default, affordable), target.max_output_tokens)

    def _tell(self, call: Call, rules: Sequence[Rule], admission: Admission) -> None:
        """What is left, in the reply's headers."""
        headers = call.reply_headers
        if admission.output_limit is not None:
            headers[MAX_TOKENS_HEADER] = str(admission.output_limit)
        rates = [
            rate
            for rule in rules
            if rule.meter is not Meter.MONEY and (rate := self._governor.rate(rule)) is not None
        ]
        headers.update(rate_headers(rates))


def _charge(taken: Taken, cost: int) -> Charge:
    held, rule = taken.slice, taken.slice.rule
    return Charge(
        rule.account,
        held.epoch,
        held.worker,
        min(cost, taken.amount),
        cost,
        rule.holder.kind,
        rule.holder.object_id,
        rule.holder.part,
    )


def full_ceiling(target: Target, bounds: Bounds) -> int | None:
    """The most an attempt can cost in nano-USD; None where only a limit on the output bounds it.
    Raises UnboundedCost where nothing does."""
    price = target.price
    if price is None:
        raise UnboundedCost(
            f"{target.public_name} has no known price, and this call is under a budget. Give it a "
            "price in the config (input_cost_per_token: 0 marks it free).",
            param="model",
        )
    field = bounds.unbounded_field()
    if field is not None:
        if target.max_call_nano is None:
            raise UnboundedCost(
                f"{field}: what this costs has no known bound, and this call is under a budget. "
                "The deployment's model_info.max_call_cost can state one.",
                param=field,
            )
        return target.max_call_nano
    output = bounds.output_tokens
    return None if output is None else ceiling_nano(price, bounds.prompt_tokens, output)


def rate_headers(rates: Sequence[Rate]) -> Iterator[tuple[str, str]]:
    """Each limit under its owner's name, and the tightest of each kind under OpenAI's."""
    tightest: dict[str, Rate] = {}
    for rate in rates:
        what, who = WHAT[rate.rule.meter], rate.rule.who
        yield f"x-ratelimit-{who}-limit-{what}", str(rate.limit)
        yield f"x-ratelimit-{who}-remaining-{what}", str(rate.remaining)
        if what not in tightest or rate.remaining < tightest[what].remaining:
            tightest[what] = rate
    for what in ("requests", "tokens"):
        if what in tightest:
            rate = tightest[what]
            yield f"x-ratelimit-limit-{what}", str(rate.limit)
            yield f"x-ratelimit-remaining-{what}", str(rate.remaining)
            yield f"x-ratelimit-reset-{what}", f"{rate.reset_s:.3f}s"


def _tokens(rules: Sequence[Rule], caller: Caller, bounds: Bounds) -> int:
    """Tokens to reserve. Raises TooManyTokens for a call that its own limit can never hold; where its
    output is our own guess, the guess gives way."""
    limits = [rule.limit for rule in rules if rule.meter in TOKENS]
    if not limits:
        return 0
    tokens = bounds.estimate(caller.estimated_output_tokens)
    if tokens <= min(limits):
        return tokens
    least = tokens if bounds.limited else bounds.estimate(0)
    if least > min(limits):
        raise TooManyTokens(
            f"This call needs about {least} tokens, and the limit is {min(limits)}: it can never be let in.",
            param="max_tokens",
        )
    return min(limits)


def _amount(rule: Rule, ceiling: int, tokens: int) -> int:
    if rule.meter is Meter.MONEY:
        return ceiling
    return tokens if rule.meter in TOKENS else 1


def _is_free(price: Price | None) -> bool:
    return price is not None and ceiling_nano(price, 1_000_000, 1_000_000) == 0
