"""When a deployment is left alone after failures, and for how long. Pure: the time is given.

    closed ── too many failures ──> cooling ── its time is over ──> half open: one call is a probe
      ^                               ^                                     │
      │                               └──── the probe failed: a longer span ┤
      └──────────────────────── the probe was answered ─────────────────────┘

A deployment whose model has no other one is judged by failures in a row alone.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.routing.failures import FailureKind, kind_of
from schema.errors.base import GatewayError

WINDOW_S = 60.0
"""Failures and calls are counted for so long, then anew."""
MOST_FAILED = 0.5
"""A deployment of several cools down where more than this share of its calls failed ..."""
LEAST_CALLS = 5
"""... of so many calls or more within the window."""
LONGEST_S = 300.0
"""The longest span that failures lead to. What a provider asks for may be longer."""
LONGEST_ASKED_S = 3600.0
"""The longest that a provider's `Retry-After` is followed."""
GROWTH = 2.0
"""Each cooldown in a row is so many times as long as the one before."""
PROBE_S = 60.0
"""A probe that has not ended after so long is given up, and another call may be the probe."""

AT_ONCE = frozenset({FailureKind.RATE_LIMIT, FailureKind.CREDENTIAL, FailureKind.NOT_FOUND})
"""Kinds of failures of which one is enough where the model has another deployment: the next call would meet
the same."""
COUNTED = AT_ONCE | {
    FailureKind.TIMEOUT,
    FailureKind.BROKEN,
    FailureKind.MALFORMED,
    FailureKind.UNAVAILABLE,
}
"""Kinds of failures that are the deployment's. The others are about one request."""

NOTHING_SENT = frozenset({FailureKind.AT_LIMIT, FailureKind.NOT_LOCAL})
"""Kinds that say nothing about how the deployment does."""
POLICY_KINDS: Mapping[str, frozenset[FailureKind]] = MappingProxyType(
    {
        "BadRequestErrorAllowedFails": frozenset({FailureKind.BAD_REQUEST}),
        "AuthenticationErrorAllowedFails": frozenset({FailureKind.CREDENTIAL}),
        "TimeoutErrorAllowedFails": frozenset({FailureKind.TIMEOUT}),
        "RateLimitErrorAllowedFails": frozenset({FailureKind.RATE_LIMIT}),
        "ContentPolicyViolationErrorAllowedFails": frozenset({FailureKind.CONTENT_POLICY}),
        "InternalServerErrorAllowedFails": frozenset({FailureKind.BROKEN, FailureKind.MALFORMED}),
        "BadGatewayErrorAllowedFails": frozenset({FailureKind.MALFORMED}),
        "ServiceUnavailableErrorAllowedFails": frozenset({FailureKind.UNAVAILABLE}),
        "NotFoundErrorAllowedFails": frozenset({FailureKind.NOT_FOUND}),
    }
)
"""The fields of `allowed_fails_policy`, each with the kinds of failures that it counts."""


class CooldownRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the config says about cooldowns."""

    enabled: bool = True
    allowed_fails: int = 3
    """So many failures within WINDOW_S are let pass. The next one cools the deployment down."""
    span_s: float = 5.0
    """The first cooldown (`cooldown_time`)."""
    policy: Mapping[FailureKind, int] = {}
    """Failures that are let pass, by kind. They count before `allowed_fails`, and before AT_ONCE."""


class Record(msgspec.Struct, kw_only=True):
    """What is remembered of a deployment's failures. Times are of the monotonic clock."""

    since: float = 0.0
    """When the window of the counts began."""
    calls: int = 0
    failures: int = 0
    by_kind: dict[FailureKind, int] = {}
    in_a_row: int = 0
    """Failures since the last answer."""
    until: float = 0.0
    """When the cooldown is over. 0: there is none."""
    level: int = 0
    """How many cooldowns there were in a row, without a probe that was answered."""
    why: str = ""
    """The failure that began the cooldown, such as `rate limit`."""
    probe_until: float = 0.0
    """A probe is under way, and is given up at this time. 0: there is none."""


def cools(record: Record, now: float) -> bool:
    """Whether the deployment is to be left alone: its cooldown is not over, or it is and a probe is under
    way."""
    return record.until > 0.0 and (now < record.until or now < record.probe_until)


def is_half_open(record: Record, now: float) -> bool:
    """Whether the next call is a probe."""
    return record.until > 0.0 and now >= record.until and now >= record.probe_until


def note_answer(record: Record, now: float) -> bool:
    """The deployment answered. True where that ended a cooldown. An answer to a call that began before the
    cooldown ends none."""
    _turn(record, now)
    record.calls += 1
    record.in_a_row = 0
    if not record.until or now < record.until:
        return False
    end_cooldown(record)
    return True


def end_cooldown(record: Record) -> None:
    """Begin anew, as if there had been no cooldown."""
    record.until = record.probe_until = 0.0
    record.level = record.failures = 0
    record.by_kind = {}
    record.why = ""


def note_failure(
    record: Record, error: GatewayError, now: float, rules: CooldownRules, *, alone: bool
) -> bool:
    """An attempt failed. True where a cooldown began, or the one under way is longer now. `alone`: the model
    has no other deployment."""
    kind = kind_of(error)
    if kind is None or kind in NOTHING_SENT:
        record.probe_until = 0.0
        return False
    if not _counts(kind, error, rules):
        note_refusal(record, now)
        return False
    _turn(record, now)
    record.calls += 1
    record.failures += 1
    record.in_a_row += 1
    record.by_kind = {**record.by_kind, kind: record.by_kind.get(kind, 0) + 1}
    if not rules.enabled:
        return False
    if record.until:
        return _go_on(record, kind, error, now, rules)
    if not _too_many(record, kind, rules, alone=alone):
        return False
    record.level = 1
    return _begin(record, kind, error, now, rules)


def note_refusal(record: Record, now: float) -> None:
    """The provider refused one request as wrong: it is there, and answers."""
    if record.until and now >= record.until:
        note_answer(record, now)
    else:
        record.in_a_row = 0


def _counts(kind: FailureKind, error: GatewayError, rules: CooldownRules) -> bool:
    if kind is FailureKind.CREDENTIAL and error.http_status == 403:  # may be about one request
        return kind in rules.policy
    return kind in COUNTED or kind in rules.policy


def _too_many(record: Record, kind: FailureKind, rules: CooldownRules, *, alone: bool) -> bool:
    if alone:
        return record.in_a_row > rules.policy.get(kind, rules.allowed_fails)
    allowed = rules.policy.get(kind)
    if allowed is not None:
        return record.by_kind[kind] > allowed
    if kind in AT_ONCE or record.failures > rules.allowed_fails:
        return True
    return record.calls >= LEAST_CALLS and record.failures > record.calls * MOST_FAILED


def _go_on(record: Record, kind: FailureKind, error: GatewayError, now: float, rules: CooldownRules) -> bool:
    """A failure in a cooldown. A call that began before it makes it last longer. The probe's failure begins a
    longer one."""
    if now >= record.until:
        record.level += 1
    return _begin(record, kind, error, now, rules)


def _begin(record: Record, kind: FailureKind, error: GatewayError, now: float, rules: CooldownRules) -> bool:
    grown = rules.span_s * GROWTH ** min(record.level - 1, 30)
    span_s = max(min(grown, max(LONGEST_S, rules.span_s)), min(error.retry_after_s or 0.0, LONGEST_ASKED_S))
    until = now + span_s
    record.probe_until = 0.0
    if until <= record.until:
        return False
    record.until, record.why = until, kind.value[0]
    return True


def _turn(record: Record, now: float) -> None:
    """Count anew where the window is over."""
    if now - record.since >= WINDOW_S:
        record.since, record.calls, record.failures = now, 0, 0
        record.by_kind = {}
