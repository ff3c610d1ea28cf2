"""The `x-ratelimit-*` headers of a reply: their names are made once for the rules of a caller."""

from collections.abc import Sequence

import msgspec

from runtime.governor import Governor
from schema.limits import Meter, Rule

WHAT = {
    Meter.REQUESTS: "requests",
    Meter.TOKENS: "tokens",
    Meter.DAY_TOKENS: "tokens-day",
    Meter.PARALLEL: "max_parallel_requests",
}


class RateHeaders(msgspec.Struct, frozen=True):
    """What a reply says of one limit: under its owner's name and, where OpenAI has one, under OpenAI's."""

    rule: Rule
    limits: dict[str, str]
    """What never changes."""
    remaining: tuple[str, ...]
    reset: str | None


def rate_headers(kinds: Sequence[Sequence[RateHeaders]], governor: Governor) -> dict[str, str]:
    """The tightest limit of each kind."""
    remaining = governor.slices.remaining
    headers: dict[str, str] = {}
    for kind in kinds:
        said, left = kind[0], remaining(kind[0].rule)
        for other in kind[1:]:
            others = remaining(other.rule)
            if others < left:
                said, left = other, others
        headers.update(said.limits)
        text = str(left)
        for name in said.remaining:
            headers[name] = text
        if said.reset is not None:
            headers[said.reset] = f"{governor.reset_s(said.rule):.3f}s"
    return headers


def headers_of(rules: Sequence[Rule]) -> tuple[tuple[RateHeaders, ...], ...]:
    """By kind of limit."""
    kinds: dict[str, list[RateHeaders]] = {}
    for rule in rules:
        what = WHAT[rule.meter]
        names = [f"x-ratelimit-{rule.who}-{{}}-{what}"]
        if what in ("requests", "tokens"):
            names.append(f"x-ratelimit-{{}}-{what}")
        said = RateHeaders(
            rule,
            {name.format("limit"): str(rule.limit) for name in names},
            tuple(name.format("remaining") for name in names),
            names[1].format("reset") if len(names) > 1 else None,
        )
        kinds.setdefault(what, []).append(said)
    return tuple(map(tuple, kinds.values()))
