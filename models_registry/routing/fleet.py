"""How the deployments stand, as far as one worker knows: cooldowns, latencies, calls under way, use.

A `Fleet` is the worker's own value. It outlives a registry, since it knows deployments by their ids. It does
no IO and has no clock: who calls it gives the time, in seconds of the monotonic clock.
"""

import enum
from collections.abc import Iterator
from math import exp

import msgspec

from models_registry.routing.cooldowns import (
    PROBE_S,
    CooldownRules,
    Record,
    cools,
    end_cooldown,
    is_half_open,
    note_answer,
    note_failure,
)
from models_registry.routing.retry_budget import RetryBudget
from models_registry.target import Target
from schema.errors.base import GatewayError

MAX_KEPT = 10_000
"""The deployments that are remembered. A wildcard's models are deployments of their own."""
FADES_S = 10.0
"""After so long an observed latency weighs a third of what it did."""
FAILURE_MS = 1_000.0
"""What a failed attempt counts at least among latencies, so that a deployment is not the fastest because it
fails at once."""
FAILURE_TOKEN_MS = 100.0
"""The same among the times for a token."""
MINUTE_S = 60.0
FORGIVEN_S = 120.0
"""A row of failures ends where nothing was heard of the deployment for so long."""
FORGOTTEN_S = 600.0
"""A cooldown is forgotten whose end is so long ago, without a call that probed. The deployment may be gone,
or be a name that a caller made up under a wildcard, and would keep the fleet from being quiet for good."""

DeploymentId = tuple[str, str]
"""A deployment: its id and its model. The model tells those of a wildcard apart."""


def id_of(target: Target) -> DeploymentId:
    return target.model_id, target.model


class DeploymentHealth(enum.Enum):
    """How a deployment stands, in one word."""

    HEALTHY = "healthy"
    COOLING = "cooling"
    """It failed too often, and is left alone for a while."""
    PROBING = "probing"
    """Its cooldown is over, and one call finds out whether it answers again."""
    UNHEALTHY = "unhealthy"
    """The last health check failed."""


class Latency(msgspec.Struct):
    """A peak EWMA: a slower answer counts at once, a faster one little by little."""

    ms: float = 0.0
    at: float = 0.0

    def add(self, ms: float, now: float) -> None:
        if ms > self.ms or not self.at:
            self.ms = ms
        else:
            kept = exp(-(now - self.at) / FADES_S)
            self.ms = self.ms * kept + ms * (1.0 - kept)
        self.at = now

    def now(self, now: float) -> float:
        """What it is worth now. An old peak fades, so that a deployment that was slow is asked again."""
        return self.ms * exp(-max(0.0, now - self.at) / FADES_S) if self.at else 0.0


class Standing(msgspec.Struct, kw_only=True):
    """How one deployment stands."""

    record: Record = msgspec.field(default_factory=Record)
    in_flight: int = 0
    """This worker's calls that are under way there."""
    first: Latency = msgspec.field(default_factory=Latency)
    """Of streams: the time to the first event."""
    token: Latency = msgspec.field(default_factory=Latency)
    """Of whole answers: the time for each token of them."""
    minute: float = 0.0
    tokens: int = 0
    """The tokens used in this minute."""
    requests: int = 0
    loaded_at: float = 0.0
    """When the host last answered with the model, so that it had it loaded. 0: nobody knows of it."""
    checked_ok: bool | None = None
    """What the last health check found. None: there was none."""
    checked_at: float = 0.0
    check_error: str = ""

    def state(self, now: float, stale_s: float = 0.0) -> DeploymentHealth:
        """`stale_s`: how long a health check counts. 0: no health check counts."""
        if self.record.until > 0.0:
            return DeploymentHealth.COOLING if now < self.record.until else DeploymentHealth.PROBING
        if self.checked_ok is False and now - self.checked_at < stale_s:
            return DeploymentHealth.UNHEALTHY
        return DeploymentHealth.HEALTHY

    def used(self, now: float) -> tuple[int, int]:
        """The tokens and the requests of this minute."""
        return (self.tokens, self.requests) if now - self.minute < MINUTE_S else (0, 0)

    def _count(self, tokens: int, requests: int, now: float) -> None:
        if now - self.minute >= MINUTE_S:
            self.minute, self.tokens, self.requests = now - now % MINUTE_S, 0, 0
        self.tokens += tokens
        self.requests += requests


class Fleet:
    """The standings of one worker. `quiet` is true while nothing has failed lately and no cooldown is known:
    then a call to a model with one deployment has nothing to look up here."""

    def __init__(self, rules: CooldownRules | None = None, budget: RetryBudget | None = None) -> None:
        self.rules = rules or CooldownRules()
        self.budget = budget or RetryBudget()
        self.quiet = True
        self.check_stale_s = 0.0
        """How long a failed health check keeps calls away. 0: for no time."""
        self._standings: dict[DeploymentId, Standing] = {}

    def find(self, target: Target) -> Standing | None:
        return self._standings.get((target.model_id, target.model))

    def items(self) -> Iterator[tuple[DeploymentId, Standing]]:
        return iter(list(self._standings.items()))

    def get(self, key: DeploymentId) -> Standing:
        """The standing of a deployment, made where there is none."""
        found = self._standings.get(key)
        if found is None:
            if len(self._standings) >= MAX_KEPT:
                self._forget()
            found = self._standings[key] = Standing()
        return found

    def began(self, target: Target, now: float) -> None:
        """An attempt begins. At a deployment whose cooldown is over, it is the probe."""
        standing = self.get((target.model_id, target.model))
        standing.in_flight += 1
        standing._count(0, 1, now)
        if is_half_open(standing.record, now):
            standing.record.probe_until = now + PROBE_S

    def left(self, target: Target) -> None:
        """An attempt that had begun ended, in whatever way."""
        standing = self.find(target)
        if standing is not None and standing.in_flight:
            standing.in_flight -= 1

    def answered(self, target: Target, now: float, *, tokens: int) -> bool:
        """The deployment answered. True where that ended its cooldown."""
        standing = self.get((target.model_id, target.model))
        standing._count(tokens, 0, now)
        return note_answer(standing.record, now)

    def loaded(self, target: Target, now: float) -> None:
        """A host that loads models has answered with this one."""
        self.get((target.model_id, target.model)).loaded_at = now

    def unloaded(self, target: Target, since: float) -> None:
        """The host said that it does not have the model loaded. It was asked at `since`."""
        standing = self.find(target)
        if standing is not None and standing.loaded_at < since:
            standing.loaded_at = 0.0

    def recovers(self, target: Target, now: float) -> bool:
        """A stream of the deployment began. True where that ended its cooldown."""
        standing = self.find(target)
        return standing is not None and standing.record.until > 0.0 and note_answer(standing.record, now)

    def cancelled(self, target: Target) -> None:
        """The client left. If the call was the probe, another one may be."""
        standing = self.find(target)
        if standing is not None:
            standing.record.probe_until = 0.0

    def failed(self, target: Target, error: GatewayError, now: float) -> bool:
        """An attempt failed. True where a cooldown began, or became longer."""
        standing, rules = self.get((target.model_id, target.model)), self.rules
        if target.cooldown_s is not None:
            rules = msgspec.structs.replace(rules, span_s=target.cooldown_s)
        cooled = note_failure(standing.record, error, now, rules, alone=target.peers == 1)
        if target.peers > 1 and standing.record.in_a_row:
            standing.first.add(max(FAILURE_MS, standing.first.ms), now)
            standing.token.add(max(FAILURE_TOKEN_MS, standing.token.ms), now)
        if standing.record.failures or standing.record.until:
            self.quiet = False
        return cooled

    def took(
        self, target: Target, now: float, *, first_ms: float | None = None, token_ms: float | None = None
    ) -> None:
        """How long an attempt took. A figure that is None was not observed."""
        standing = self.get((target.model_id, target.model))
        if first_ms is not None:
            standing.first.add(first_ms, now)
        if token_ms is not None:
            standing.token.add(token_ms, now)

    def heard(self, key: DeploymentId, now: float, *, left_s: float, level: int, why: str) -> None:
        """Another worker says that a deployment cools for `left_s` more seconds; 0: no longer."""
        record = self.get(key).record
        if left_s <= 0.0:
            end_cooldown(record)
            record.in_a_row = 0
            return
        if now + left_s > record.until:
            record.until, record.why, record.probe_until = now + left_s, why, 0.0
        record.level = max(record.level, level)
        self.quiet = False

    def checked(self, key: DeploymentId, now: float, *, ok: bool, error: str = "") -> None:
        """A health check ended."""
        standing = self.get(key)
        standing.checked_ok, standing.checked_at, standing.check_error = ok, now, error
        if not ok and self.check_stale_s:
            self.quiet = False

    def calls(self, now: float) -> None:
        """A call begins. It adds to the budget of retries."""
        self.budget.call(now)

    def may_retry(self, now: float) -> bool:
        """Take one retry from the budget. False: there is none left."""
        self.quiet = False
        return self.budget.take(now)

    def settle(self, now: float) -> None:
        """Be quiet again where nothing is wrong any more. The worker asks once a second."""
        troubled = False
        for each in self._standings.values():
            record = each.record
            if record.in_a_row and now - record.since >= FORGIVEN_S:
                record.in_a_row = 0
            if record.until and now - max(record.until, record.probe_until) >= FORGOTTEN_S:
                end_cooldown(record)
            failed = each.checked_ok is False and now - each.checked_at < self.check_stale_s
            troubled = troubled or failed or bool(record.until or record.in_a_row)
        self.quiet = not troubled and self.budget.full(now)

    def scratch(self) -> "Fleet":
        """The same standings with a full budget of retries, for a plan: taking retries changes nothing."""
        fleet = Fleet(self.rules)
        fleet.check_stale_s = self.check_stale_s
        fleet._standings = self._standings
        fleet.quiet = self.quiet
        return fleet

    def _forget(self) -> None:
        """Forget a tenth, those first that nothing is wrong with and nobody calls, then those that nobody
        calls."""
        unused = [key for key, each in self._standings.items() if not each.in_flight]
        idle = [key for key in unused if not self._standings[key].record.until]
        for key in (idle or unused or list(self._standings))[: MAX_KEPT // 10]:
            del self._standings[key]


def is_cooling(standing: Standing | None, now: float) -> bool:
    return standing is not None and cools(standing.record, now)
