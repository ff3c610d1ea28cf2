"""The `x-ratelimit-*` headers of a reply. Their names are made once for the rules of a caller."""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from runtime.limits.governor import Governor
from schema.errors.limits import RateLimited
from schema.limits import Meter, Rule
from schema.money import dollars_text

WHAT = MappingProxyType(
    {
        Meter.REQUESTS: "requests",
        Meter.TOKENS: "tokens",
        Meter.DAY_TOKENS: "tokens-day",
        Meter.PARALLEL: "max_parallel_requests",
    }
)
KEY = "api_key"
KEY_LIMITS = MappingProxyType(
    {Meter.REQUESTS: b"x-litellm-key-rpm-limit", Meter.TOKENS: b"x-litellm-key-tpm-limit"}
)
KEY_MAX_BUDGET = b"x-litellm-key-max-budget"
KEY_SPEND = b"x-litellm-key-spend"

Header = tuple[bytes, bytes]


class RateHeaders(msgspec.Struct, frozen=True):
    """The headers of one limit. Their names have the owner's kind (`x-ratelimit-api_key-limit-requests`).
    Requests and tokens a minute also get OpenAI's names (`x-ratelimit-limit-requests`)."""

    rule: Rule
    limits: tuple[Header, ...]
    """The headers that give the limit itself, with their values."""
    remaining: tuple[bytes, ...]
    """The names of the headers that give what is left."""
    reset: bytes | None
    """The name of the header that gives the time until the window ends, such as `12.500s`. None where OpenAI
    has no such header."""


def rate_headers(kinds: Sequence[Sequence[RateHeaders]], governor: Governor) -> list[Header]:
    """The headers of a reply, with names and values. For each kind, they tell of the limit with the least
    left."""
    remaining = governor.slices.remaining
    headers: list[Header] = []
    for kind in kinds:
        said, left = kind[0], remaining(kind[0].rule)
        for other in kind[1:]:
            others = remaining(other.rule)
            if others < left:
                said, left = other, others
        headers += said.limits
        value = b"%d" % left
        headers += [(name, value) for name in said.remaining]
        if said.reset is not None:
            headers.append((said.reset, b"%.3fs" % governor.reset_s(said.rule)))
    return headers


def refused_headers(
    kinds: Sequence[Sequence[RateHeaders]], governor: Governor, error: RateLimited
) -> list[Header]:
    """The headers of a refusal. The limit that was short has the figures of the refusal. For another limit,
    what is left is told where this worker knows it."""
    headers: list[Header] = []
    for kind in kinds:
        said = kind[0]
        left = governor.slices.remaining(said.rule) if governor.slices.knows(said.rule) else None
        reset_s = governor.reset_s(said.rule)
        for each in kind:
            if error.left is not None and each.rule.account == error.left.account:
                said, left, reset_s = each, error.left.amount, error.retry_after_s or 0.0
        headers += said.limits
        if left is not None:
            headers += [(name, b"%d" % left) for name in said.remaining]
            if said.reset is not None:
                headers.append((said.reset, b"%.3fs" % reset_s))
    return headers


def headers_of(rules: Sequence[Rule]) -> tuple[tuple[RateHeaders, ...], ...]:
    """The headers of these limits, one group for each kind of limit (requests, tokens ...)."""
    kinds: dict[str, list[RateHeaders]] = {}
    for rule in rules:
        what = WHAT[rule.meter]
        names = [f"x-ratelimit-{rule.who}-{{}}-{what}"]
        if what in ("requests", "tokens"):
            names.append(f"x-ratelimit-{{}}-{what}")
        said = RateHeaders(
            rule,
            tuple((name.format("limit").encode(), b"%d" % rule.limit) for name in names),
            tuple(name.format("remaining").encode() for name in names),
            names[1].format("reset").encode() if len(names) > 1 else None,
        )
        kinds.setdefault(what, []).append(said)
    return tuple(map(tuple, kinds.values()))


def key_headers(rules: Sequence[Rule]) -> tuple[Header, ...]:
    """The headers that tell a key's own limits, for all models, and its budget where that is always the
    same."""
    found: list[Header] = []
    budget = key_budget_of(rules)
    if budget is not None and not budget.extra:
        found.append((KEY_MAX_BUDGET, dollars_text(budget.limit).encode()))
    for rule in rules:
        name = KEY_LIMITS.get(rule.meter)
        if rule.who == KEY and rule.model is None and name is not None:
            found.append((name, b"%d" % rule.limit))
    return tuple(found)


def key_budget_of(rules: Sequence[Rule]) -> Rule | None:
    """The rule about a key's own budget (`max_budget`). None where the key has none."""
    for rule in rules:
        if rule.who == KEY and rule.meter is Meter.MONEY and rule.model is None and rule.holder.kind:
            return rule
    return None
