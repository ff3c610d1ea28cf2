"""What one worker has counted since it started, in memory. A call adds to a few numbers and does no IO.

Labels come from bounded sets: functions of the catalogue, HTTP statuses, models and providers of the config,
reasons. No label is a text that a caller chose, or a key, a user or a team.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from models_registry.model_names import covers
from models_registry.target import Target
from runtime.telemetry.local_counts import MAX_HOSTS, OTHER, HostGauge, Pulls, QueueGauge, SlotWaits
from runtime.telemetry.timing import SeriesSums, Timing
from runtime.telemetry.unrouted import UnroutedReason
from schema.ledger.journal import Settled
from schema.ledger.rows import Outcome

MAX_NAMES = 10_000
MAX_SERIES = 20_000
"""How many series of models are counted apart. Names of models come and go: those beyond are `other`."""
"""How many names of models are remembered, each with the name that it is counted under."""


class Requests(msgspec.Struct, kw_only=True):
    """HTTP requests that one function answered with one status."""

    function: str
    status: int
    number: int = 0
    timing: Timing = msgspec.field(default_factory=Timing)

    @property
    def labels(self) -> tuple[object, ...]:
        return self.function, self.status

    def blank(self) -> "Requests":
        return Requests(function=self.function, status=self.status)

    def merge(self, other: "Requests") -> None:
        self.number += other.number
        self.timing.merge(other.timing)


class AttemptCounts(msgspec.Struct, kw_only=True):
    """Upstream attempts at one model of one provider that ended in one way."""

    model: str
    provider: str
    outcome: Outcome
    number: int = 0
    cost_nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    timing: Timing = msgspec.field(default_factory=Timing)
    first_token: Timing = msgspec.field(default_factory=Timing)

    @property
    def labels(self) -> tuple[object, ...]:
        return self.model, self.provider, self.outcome

    def blank(self) -> "AttemptCounts":
        return AttemptCounts(model=self.model, provider=self.provider, outcome=self.outcome)

    def merge(self, other: "AttemptCounts") -> None:
        self.number += other.number
        self.cost_nano += other.cost_nano
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cached_tokens += other.cached_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.timing.merge(other.timing)
        self.first_token.merge(other.first_token)


class Unrouted(msgspec.Struct, kw_only=True):
    """Calls of one function that reached no deployment, for one reason."""

    function: str
    reason: UnroutedReason
    number: int = 0

    @property
    def labels(self) -> tuple[object, ...]:
        return self.function, self.reason

    def blank(self) -> "Unrouted":
        return Unrouted(function=self.function, reason=self.reason)

    def merge(self, other: "Unrouted") -> None:
        self.number += other.number


class Cooldowns(msgspec.Struct, kw_only=True):
    """Cooldowns of deployments of one model and provider that began, or were made longer."""

    model: str
    provider: str
    number: int = 0

    @property
    def labels(self) -> tuple[str, str]:
        return self.model, self.provider

    def blank(self) -> "Cooldowns":
        return Cooldowns(model=self.model, provider=self.provider)

    def merge(self, other: "Cooldowns") -> None:
        self.number += other.number


class CacheCounts(msgspec.Struct, kw_only=True):
    """What the response cache did."""

    hits: int = 0
    misses: int = 0
    hit_bytes: int = 0
    """The bytes of the answers that it gave."""
    answers: int = 0
    """How many answers it was given to keep."""
    answer_bytes: int = 0
    failures: int = 0
    """How often Postgres did not find or take an answer in time."""

    def looked(self, size: int, *, hit: bool) -> None:
        self.hits += hit
        self.misses += not hit
        self.hit_bytes += size

    def kept(self, size: int) -> None:
        self.answers += 1
        self.answer_bytes += size

    def failed(self) -> None:
        self.failures += 1

    def merge(self, other: "CacheCounts") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class GuardrailCounts(msgspec.Struct, kw_only=True):
    """Questions to one guardrail at one moment that ended in one way."""

    guardrail: str
    moment: str
    """`pre_call` or `post_call`."""
    outcome: str
    number: int = 0
    timing: Timing = msgspec.field(default_factory=Timing)

    @property
    def labels(self) -> tuple[str, str, str]:
        return self.guardrail, self.moment, self.outcome

    def blank(self) -> "GuardrailCounts":
        return GuardrailCounts(guardrail=self.guardrail, moment=self.moment, outcome=self.outcome)

    def merge(self, other: "GuardrailCounts") -> None:
        self.number += other.number
        self.timing.merge(other.timing)


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one worker now. `memory_bytes` is how much RAM the process uses."""

    calls_under_way: int = 0
    ledger_rows_waiting: int = 0
    journal_bytes_waiting: int = 0
    memory_bytes: int = 0
    hears_changes: bool = True
    """True while the process is connected to Postgres, which announces changes."""
    config_in_force: bool = True
    """True while the present content of the config file is in force."""
    config_loaded_s: float = 0.0
    """When the registry in force was built, in seconds since 1970."""
    deployments: int = 0
    """How many deployments are in force."""
    cache_answers: int = 0
    """How many answers the response cache has in memory."""
    cache_bytes: int = 0
    hosts: Sequence[HostGauge] = ()
    queues: Sequence[QueueGauge] = ()


class TallyCounts(msgspec.Struct, kw_only=True):
    """All that one worker has counted, or several workers together."""

    requests: list[Requests] = msgspec.field(default_factory=list)
    attempts: list[AttemptCounts] = msgspec.field(default_factory=list)
    holds_exceeded: int = 0
    unrouted: list[Unrouted] = msgspec.field(default_factory=list)
    cooldowns: list[Cooldowns] = msgspec.field(default_factory=list)
    cache: CacheCounts = msgspec.field(default_factory=CacheCounts)
    guardrails: list[GuardrailCounts] = msgspec.field(default_factory=list)
    pulls: list[Pulls] = msgspec.field(default_factory=list)
    waits: list[SlotWaits] = msgspec.field(default_factory=list)

    def merged(self, others: Iterable["TallyCounts"]) -> "TallyCounts":
        """The sum of this and others, as new objects."""
        sum_of = TallyCounts()
        for _ in sum_of.adding([self, *others]):
            pass
        return sum_of

    def adding(self, others: Iterable["TallyCounts"]) -> Iterator[None]:
        """Add all that others counted, in steps. A caller can do something else between two steps."""
        requests, attempts, unrouted = (
            SeriesSums(self.requests),
            SeriesSums(self.attempts),
            SeriesSums(self.unrouted),
        )
        cooldowns, guardrails = SeriesSums(self.cooldowns), SeriesSums(self.guardrails)
        pulls, waits = SeriesSums(self.pulls), SeriesSums(self.waits)
        for each in others:
            self.holds_exceeded += each.holds_exceeded
            self.cache.merge(each.cache)
            yield from chain(
                requests.adding(each.requests),
                attempts.adding(each.attempts),
                unrouted.adding(each.unrouted),
                cooldowns.adding(each.cooldowns),
                guardrails.adding(each.guardrails),
                pulls.adding(each.pulls),
                waits.adding(each.waits),
            )


class Tally:
    """The counts of one worker. `models` are the public names in the config, wildcards too. `gauges` gives
    the state of the worker now."""

    def __init__(self, models: Iterable[str], gauges: Callable[[], Gauges] = Gauges) -> None:
        self._models = tuple(models)
        self._gauges = gauges
        self._names: dict[str, str] = {}
        self._requests: dict[tuple[str, int], Requests] = {}
        self._attempts: dict[tuple[str, str, Outcome], AttemptCounts] = {}
        self._unrouted: dict[tuple[str, UnroutedReason], Unrouted] = {}
        self._cooldowns: dict[tuple[str, str], Cooldowns] = {}
        self._guardrails: dict[tuple[str, str, str], GuardrailCounts] = {}
        self._pulls: dict[tuple[str, str], Pulls] = {}
        self._waits: dict[tuple[str, str], SlotWaits] = {}
        self._holds_exceeded = 0
        self.cache = CacheCounts()
        """What the response cache did. A call that it answers is counted as a request, too."""
        self.additions = 0
        """How often anything was counted. Where the number has changed, there is something new to write."""

    def know(self, models: Iterable[str]) -> None:
        """The public names are these from now on."""
        self._models = tuple(models)
        self._names = {}

    def request(self, function: str, status: int, ms: float) -> None:
        """Count a request that was answered."""
        counts = self._requests.get((function, status))
        if counts is None:
            counts = self._requests[function, status] = Requests(function=function, status=status)
        self.additions += 1
        counts.number += 1
        counts.timing.add(ms)

    def attempt(self, target: Target, settled: Settled, first_token_ms: float | None) -> None:
        """Count an upstream attempt that ended and was booked."""
        self.additions += 1
        name = target.public_name
        key = (self._names.get(name) or self._model(name), target.provider, settled.outcome)
        counts = self._attempts.get(key)
        if counts is None and len(self._attempts) >= MAX_SERIES:
            key = (OTHER, *key[1:])
            counts = self._attempts.get(key)
        if counts is None:
            counts = self._attempts[key] = AttemptCounts(model=key[0], provider=key[1], outcome=key[2])
        usage = settled.usage
        counts.number += 1
        counts.cost_nano += settled.cost_nano
        counts.input_tokens += usage.prompt_tokens
        counts.output_tokens += usage.completion_tokens
        counts.cached_tokens += usage.cached_tokens
        counts.reasoning_tokens += usage.reasoning_tokens
        counts.timing.add(settled.duration_ms)
        if first_token_ms is not None:
            counts.first_token.add(first_token_ms)

    def unrouted(self, function: str, reason: UnroutedReason) -> None:
        """Count a model call that reached no deployment."""
        self.additions += 1
        counts = self._unrouted.get((function, reason))
        if counts is None:
            counts = self._unrouted[function, reason] = Unrouted(function=function, reason=reason)
        counts.number += 1

    def cooled(self, target: Target) -> None:
        """Count a cooldown that began, or was made longer."""
        self.additions += 1
        name = target.public_name
        key = (self.known_as(name), target.provider)
        counts = self._cooldowns.get(key)
        if counts is None and len(self._cooldowns) >= MAX_SERIES:
            key = (OTHER, target.provider)
            counts = self._cooldowns.get(key)
        if counts is None:
            counts = self._cooldowns[key] = Cooldowns(model=key[0], provider=key[1])
        counts.number += 1

    def guardrail(self, name: str, moment: str, outcome: str, took_s: float) -> None:
        """Count a question to a guardrail of the config."""
        self.additions += 1
        key = (name, moment, outcome)
        counts = self._guardrails.get(key)
        if counts is None and len(self._guardrails) >= MAX_SERIES:
            key = (OTHER, moment, outcome)
            counts = self._guardrails.get(key)
        if counts is None:
            counts = self._guardrails[key] = GuardrailCounts(guardrail=key[0], moment=moment, outcome=outcome)
        counts.number += 1
        counts.timing.add(took_s * 1000)

    def pulled(self, host: str, outcome: str) -> None:
        """Count a pull at a local host that ended."""
        self.additions += 1
        key = (host, outcome)
        if key not in self._pulls and len(self._pulls) >= MAX_HOSTS:
            key = (OTHER, outcome)
        counts = self._pulls.get(key)
        if counts is None:
            counts = self._pulls[key] = Pulls(host=key[0], outcome=outcome)
        counts.number += 1

    def waited(self, model: str, took_s: float, outcome: str) -> None:
        """Count a wait for a slot of a model's deployments."""
        self.additions += 1
        key = (self.known_as(model), outcome)
        if key not in self._waits and len(self._waits) >= MAX_SERIES:
            key = (OTHER, outcome)
        counts = self._waits.get(key)
        if counts is None:
            counts = self._waits[key] = SlotWaits(model=key[0], outcome=outcome)
        counts.timing.add(took_s * 1000)

    def known_as(self, name: str) -> str:
        """The name that a model is counted under."""
        return self._names.get(name) or self._model(name)

    def hold_exceeded(self) -> None:
        """Count a call that cost more than was held for it."""
        self.additions += 1
        self._holds_exceeded += 1

    def counted(self) -> TallyCounts:
        return TallyCounts(
            requests=list(self._requests.values()),
            attempts=list(self._attempts.values()),
            holds_exceeded=self._holds_exceeded,
            unrouted=list(self._unrouted.values()),
            cooldowns=list(self._cooldowns.values()),
            cache=self.cache,
            guardrails=list(self._guardrails.values()),
            pulls=list(self._pulls.values()),
            waits=list(self._waits.values()),
        )

    def gauges(self) -> Gauges:
        return self._gauges()

    def _model(self, name: str) -> str:
        """The public name in the config that a model is counted under: the same name, or the wildcard that
        covers it. `other` where the config has neither."""
        exact = name if name in self._models else None
        known = exact or next((each for each in self._models if covers(each, name)), OTHER)
        if len(self._names) < MAX_NAMES:
            self._names[name] = known
        return known
