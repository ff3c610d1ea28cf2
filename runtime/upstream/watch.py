"""Sees how each attempt begins and ends, and tells the fleet. These signals cost no call of their own.

The ledger calls it, since every attempt passes there, and ends there once, whichever way.
"""

import time
from collections.abc import Callable
from typing import Protocol

from functions.contract.call import Call
from models_registry.routing.fleet import DeploymentId, Fleet, id_of
from models_registry.target import Target
from runtime.upstream.slots import SlotQueues
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamBusy, UpstreamNotInTime, UpstreamTimeout
from schema.ledger.journal import Settled
from schema.ledger.rows import Outcome


class Watched(Protocol):
    """An attempt, as the ledger has it."""

    @property
    def call(self) -> Call: ...

    @property
    def target(self) -> Target: ...

    @property
    def streamed(self) -> bool: ...


class Watch:
    """Implements `runtime.ledger.attempts.Watching`. `changed` is called with a deployment whose
    cooldown began, became longer or ended here."""

    def __init__(
        self,
        fleet: Fleet,
        changed: Callable[[DeploymentId], None] = lambda key: None,
        clock: Callable[[], float] = time.monotonic,
        slots: SlotQueues | None = None,
    ) -> None:
        self._slots = slots
        self.fleet = fleet
        self._changed = changed
        self._clock = clock

    def began(self, target: Target) -> None:
        """An attempt is about to be sent."""
        self.fleet.began(target, self._clock())

    def stream_began(self, target: Target) -> None:
        """The first event of a stream came. A probe need not wait for the end of a long stream."""
        if self.fleet.recovers(target, self._clock()):
            self._changed(id_of(target))

    def freed(self, target: Target) -> None:
        """An attempt has given back what it held of the deployment's limits."""
        if self._slots is not None:
            self._slots.freed(target.model_id)

    def ended(self, attempt: Watched, settled: Settled, error: Exception | None, *, begun: bool) -> bool:
        """The attempt is over. A failure counts also where nobody said that the attempt began. True
        where a cooldown began, or became longer."""
        fleet, target, now = self.fleet, attempt.target, self._clock()
        if begun:
            fleet.left(target)
        if settled.cache_hit:
            fleet.cancelled(target)
        elif settled.outcome is Outcome.OK:
            usage = settled.usage
            if fleet.answered(target, now, tokens=usage.total_tokens):
                self._changed(id_of(target))
            if target.dialect.facts.loads_contexts:
                fleet.loaded(target, now)
            first_at = settled.first_token_at
            if attempt.streamed and first_at is not None:
                waited = settled.ended_at - first_at
                fleet.took(target, now, first_ms=settled.duration_ms - waited.total_seconds() * 1000)
            elif not attempt.streamed:
                fleet.took(target, now, token_ms=settled.duration_ms / max(1, usage.completion_tokens))
        elif isinstance(error, GatewayError) and not _is_ours(attempt.call, error):
            if fleet.failed(target, error, now):
                self._changed(id_of(target))
                return True
        else:
            fleet.cancelled(target)
        return False


def _is_ours(call: Call, error: GatewayError) -> bool:
    """Whether an error says nothing about the deployment: all our connections are in use, or the call met a
    deadline that it asked for itself."""
    if isinstance(error, UpstreamBusy):
        return True
    options = call.route_options
    asked = options.timeout_s is not None or options.stream_timeout_s is not None
    return asked and isinstance(error, UpstreamTimeout | UpstreamNotInTime)
