"""What is counted of local hosts, and how they stand. Labels are names of hosts and models in the config."""

from collections.abc import Iterable, Sequence

import msgspec

from runtime.telemetry.timing import Timing

MAX_HOSTS = 1_000
"""So many hosts are counted apart. Those beyond are `other`."""
OTHER = "other"
DONE, FAILED, STOPPED = "done", "failed", "stopped"
"""How a pull ends: the last one was broken off by who asked for it."""


class Pulls(msgspec.Struct, kw_only=True):
    """Pulls at one host that ended in one way."""

    host: str
    outcome: str
    number: int = 0

    @property
    def labels(self) -> tuple[str, str]:
        return self.host, self.outcome

    def blank(self) -> "Pulls":
        return Pulls(host=self.host, outcome=self.outcome)

    def merge(self, other: "Pulls") -> None:
        self.number += other.number


class SlotWaits(msgspec.Struct, kw_only=True):
    """Waits of calls for a slot of one model's deployments that ended in one way."""

    model: str
    outcome: str
    """`got` a slot, or `gave_up`."""
    timing: Timing = msgspec.field(default_factory=Timing)

    @property
    def labels(self) -> tuple[str, str]:
        return self.model, self.outcome

    def blank(self) -> "SlotWaits":
        return SlotWaits(model=self.model, outcome=self.outcome)

    def merge(self, other: "SlotWaits") -> None:
        self.timing.merge(other.timing)


class HostGauge(msgspec.Struct, frozen=True, kw_only=True):
    """How a local host stood when a worker last looked."""

    host: str
    looked_at: float
    """In seconds since 1970."""
    up: bool = False
    loaded: int = 0
    """How many models are in its memory."""
    busy: int | None = None
    """How many of its slots are busy. None: it does not say."""
    waiting: int | None = None
    """How many calls wait on the host itself."""


class QueueGauge(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls wait in one worker for a slot of a model's deployments."""

    model: str
    waiting: int


def newest(gauges: Iterable[HostGauge]) -> Sequence[HostGauge]:
    """Each host as the worker saw it that looked last."""
    found: dict[str, HostGauge] = {}
    for each in sorted(gauges, key=lambda gauge: gauge.looked_at):
        found[each.host] = each
    return [found[host] for host in sorted(found)]


def together(gauges: Iterable[QueueGauge]) -> Sequence[QueueGauge]:
    """The queues of all workers added up."""
    sums: dict[str, int] = {}
    for each in gauges:
        sums[each.model] = sums.get(each.model, 0) + each.waiting
    return [QueueGauge(model=model, waiting=sums[model]) for model in sorted(sums)]
