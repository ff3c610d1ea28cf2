"""The counts in Prometheus's format, under our own names and under the names of LiteLLM that dashboards use
most.

The metrics with a name of LiteLLM have only the labels that come from bounded sets: `model`, `route`,
`status_code` and so on. LiteLLM's labels for keys, users and teams are left out.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from functions.contract.function import TextReply
from runtime.telemetry.local_counts import HostGauge
from runtime.telemetry.snapshots import Snapshots, sum_of
from runtime.telemetry.tally import AttemptCounts, Gauges, TallyCounts
from runtime.telemetry.text_format import MEDIA_TYPE, counter, gauge, gauges, histogram
from schema.ledger.rows import Outcome
from schema.money import NANO_PER_USD

T = TypeVar("T")
STEP_S = 0.004
"""How long the making of metrics may block the event loop at a time."""


class Exposition:
    """Makes the text of `/metrics`. Implements the port `MetricsText`. `path_of` gives the path of a function
    that calls a model, by the function's name, and None for other functions."""

    def __init__(
        self,
        snapshots: Snapshots,
        path_of: Callable[[str], str | None],
        asked: Callable[[], None] | None = None,
    ) -> None:
        """`asked` is told that somebody asks for metrics."""
        self._asked = asked
        self._snapshots = snapshots
        self._path_of = path_of
        self._one_at_a_time = asyncio.Lock()
        self._known: tuple[object, TextReply] | None = None
        """The last answer, and the state of the files that it was made of."""

    async def text(self) -> TextReply:
        """The sums over all workers of this data directory, as the workers last wrote them. Callers are
        answered one after the other, and get the same text unless a worker has written since."""
        if self._asked is not None:
            self._asked()
        async with self._one_at_a_time:
            state = self._snapshots.state()
            if self._known is not None and self._known[0] == state:
                return self._known[1]
            text = TextReply(media_type=MEDIA_TYPE, content=await self._rendered())
            self._known = state, text
            return text

    async def _rendered(self) -> str:
        written, gauges = await self._snapshots.together()
        counted = TallyCounts()
        pieces: list[str] = []
        await _in_steps(counted.adding(written), lambda nothing: None)
        await _in_steps(_ours(counted, gauges), pieces.append)
        await _in_steps(_peers(counted, gauges, self._path_of), pieces.append)
        return "".join(pieces)


async def _in_steps(steps: Iterator[T], take: Callable[[T], object]) -> None:
    """Go through all steps, and let the event loop run in between."""
    until_mono = time.monotonic() + STEP_S
    for each in steps:
        take(each)
        if time.monotonic() >= until_mono:
            await asyncio.sleep(0)
            until_mono = time.monotonic() + STEP_S


def _ours(counted: TallyCounts, workers: Sequence[Gauges]) -> Iterator[str]:
    requests, attempts, now = counted.requests, counted.attempts, sum_of(workers)
    by_status = [((each.function, str(each.status)), each) for each in requests]
    by_function = [((each.function,), each) for each in requests]
    by_outcome = [((each.model, each.provider, each.outcome.value), each) for each in attempts]
    by_model = [((each.model, each.provider), each) for each in attempts]
    yield from counter(
        "switchgear_requests",
        "HTTP requests, by function and status.",
        ("function", "status"),
        [(key, each.number) for key, each in by_status],
    )
    yield from histogram(
        "switchgear_request_seconds",
        "How long an HTTP request took, a stream to its end.",
        ("function",),
        [(key, each.timing) for key, each in by_function],
    )
    yield from counter(
        "switchgear_unrouted",
        "Model calls that reached no deployment, by function and reason.",
        ("function", "reason"),
        [((each.function, each.reason.value), each.number) for each in counted.unrouted],
    )
    yield from counter(
        "switchgear_attempts",
        "Upstream attempts: one row of the ledger each.",
        ("model", "provider", "outcome"),
        [(key, each.number) for key, each in by_outcome],
    )
    yield from histogram(
        "switchgear_attempt_seconds",
        "How long an upstream attempt took.",
        ("model", "provider"),
        [(key, each.timing) for key, each in by_model],
    )
    yield from histogram(
        "switchgear_first_token_seconds",
        "When the first event of a stream came.",
        ("model", "provider"),
        [(key, each.first_token) for key, each in by_model],
    )
    yield from counter(
        "switchgear_spend_usd",
        "What attempts cost, in dollars.",
        ("model", "provider"),
        [(key, each.cost_nano / NANO_PER_USD) for key, each in by_model],
    )
    kinds: tuple[tuple[str, Callable[[AttemptCounts], int]], ...] = (
        ("input", lambda each: each.input_tokens),
        ("cached", lambda each: each.cached_tokens),
        ("output", lambda each: each.output_tokens),
        ("reasoning", lambda each: each.reasoning_tokens),
    )
    yield from counter(
        "switchgear_tokens",
        "Tokens: cached ones are among those of the input, reasoning among those of the output.",
        ("model", "provider", "kind"),
        [((*key, kind), count(each)) for key, each in by_model for kind, count in kinds],
    )
    yield from counter(
        "switchgear_cooldowns",
        "Cooldowns of deployments that began, or were made longer.",
        ("model", "provider"),
        [(each.labels, each.number) for each in counted.cooldowns],
    )
    yield from counter(
        "switchgear_hold_exceeded",
        "Attempts that cost more than was held for them.",
        (),
        [((), counted.holds_exceeded)],
    )
    yield from counter(
        "switchgear_guardrail_checks",
        "Questions to guardrails, by name, moment and what became of them.",
        ("guardrail", "moment", "outcome"),
        [(each.labels, each.number) for each in counted.guardrails],
    )
    yield from histogram(
        "switchgear_guardrail_seconds",
        "How long the answer of a guardrail took.",
        ("guardrail", "moment", "outcome"),
        [(each.labels, each.timing) for each in counted.guardrails],
    )
    yield from _local(counted, now)
    cache = counted.cache
    for name, help_text, number in (
        ("switchgear_cache_hits", "Calls that the response cache answered.", cache.hits),
        ("switchgear_cache_misses", "Look-ups of the response cache that found nothing.", cache.misses),
        ("switchgear_cache_hit_bytes", "Bytes of the answers that it gave.", cache.hit_bytes),
        ("switchgear_cache_kept", "Answers that it was given to keep.", cache.answers),
        ("switchgear_cache_kept_bytes", "Bytes of these answers.", cache.answer_bytes),
        ("switchgear_cache_failures", "Failures of the store behind it; no call fails.", cache.failures),
    ):
        yield from counter(name, help_text, (), [((), number)])
    for name, help_text, value in (
        ("switchgear_cache_answers", "Answers in the memory of the workers.", now.cache_answers),
        ("switchgear_cache_bytes", "Bytes of them.", now.cache_bytes),
        ("switchgear_workers", "Worker processes of this data directory.", len(workers)),
        ("switchgear_calls_under_way", "Requests that are being answered.", now.calls_under_way),
        (
            "switchgear_ledger_rows_waiting",
            "Rows in journals and not in Postgres yet.",
            now.ledger_rows_waiting,
        ),
        (
            "switchgear_journal_bytes_waiting",
            "Bytes in journals and not in Postgres yet.",
            now.journal_bytes_waiting,
        ),
        ("switchgear_memory_bytes", "RAM of the workers together.", now.memory_bytes),
        ("switchgear_hears_changes", "1 while every worker is connected to Postgres.", now.hears_changes),
        (
            "switchgear_config_in_force",
            "1 while the present content of the config file is in force at every worker.",
            now.config_in_force,
        ),
        (
            "switchgear_config_loaded_timestamp_seconds",
            "When the models in force were loaded, of the worker where that is longest ago.",
            now.config_loaded_s,
        ),
        ("switchgear_deployments", "Deployments in force.", now.deployments),
    ):
        yield from gauge(name, help_text, value)


def _local(counted: TallyCounts, now: Gauges) -> Iterator[str]:
    """Of local hosts, and of the queues for slots."""
    yield from counter(
        "switchgear_local_pulls",
        "Pulls at local hosts, by how they ended.",
        ("host", "outcome"),
        [(each.labels, each.number) for each in counted.pulls],
    )
    yield from histogram(
        "switchgear_slot_wait_seconds",
        "How long calls waited for a slot of a model's deployments, by how it ended.",
        ("model", "outcome"),
        [(each.labels, each.timing) for each in counted.waits],
    )
    yield from gauges(
        "switchgear_slot_queue",
        "Calls that wait for a slot of a model's deployments.",
        ("model",),
        [((each.model,), each.waiting) for each in now.queues],
    )
    by_host: tuple[tuple[str, str, Callable[[HostGauge], int | None]], ...] = (
        ("switchgear_local_host_up", "1 while a local host answers.", lambda each: int(each.up)),
        ("switchgear_local_models_loaded", "Models in the memory of a local host.", lambda each: each.loaded),
        ("switchgear_local_slots_busy", "Busy slots of a local host that says so.", lambda each: each.busy),
        (
            "switchgear_local_waiting",
            "Calls that wait on a local host.",
            lambda each: each.waiting,
        ),
    )
    for name, help_text, value in by_host:
        found = [((each.host,), value(each)) for each in now.hosts]
        told = [(key, said) for key, said in found if said is not None]
        yield from gauges(name, help_text, ("host",), told)


def _peers(
    counted: TallyCounts, gauges: Sequence[Gauges], route_of: Callable[[str], str | None]
) -> Iterator[str]:
    attempts = counted.attempts
    requests = [(route, each) for each in counted.requests if (route := route_of(each.function)) is not None]
    statuses = [((route, str(each.status)), each) for route, each in requests]
    by_deployment = [((each.model, each.provider), each) for each in attempts]
    yield from counter(
        "litellm_proxy_total_requests_metric",
        "Requests that call a model.",
        ("route", "status_code"),
        [(key, each.number) for key, each in statuses],
    )
    yield from counter(
        "litellm_proxy_failed_requests_metric",
        "Requests that call a model and failed.",
        ("route", "status_code"),
        [(key, each.number) for key, each in statuses if each.status >= 400],
    )
    yield from histogram(
        "litellm_request_total_latency_metric",
        "Seconds of a request that calls a model.",
        ("route",),
        [((route,), each.timing) for route, each in requests],
    )
    sums: tuple[tuple[str, str, Callable[[AttemptCounts], float]], ...] = (
        ("litellm_spend_metric", "Dollars.", lambda each: each.cost_nano / NANO_PER_USD),
        (
            "litellm_total_tokens_metric",
            "Tokens in and out.",
            lambda each: each.input_tokens + each.output_tokens,
        ),
        ("litellm_input_tokens_metric", "Tokens in.", lambda each: each.input_tokens),
        ("litellm_output_tokens_metric", "Tokens out.", lambda each: each.output_tokens),
    )
    for name, help_text, value in sums:
        yield from counter(name, help_text, ("model",), [((each.model,), value(each)) for each in attempts])
    yield from histogram(
        "litellm_llm_api_latency_metric",
        "Seconds of an upstream attempt.",
        ("model",),
        [((each.model,), each.timing) for each in attempts],
    )
    yield from histogram(
        "litellm_llm_api_time_to_first_token_metric",
        "Seconds to the first event of a stream.",
        ("model",),
        [((each.model,), each.first_token) for each in attempts],
    )
    ends: tuple[tuple[str, str, Callable[[AttemptCounts], bool]], ...] = (
        ("litellm_deployment_total_requests", "Upstream attempts.", lambda each: True),
        (
            "litellm_deployment_success_responses",
            "Upstream attempts that succeeded.",
            lambda each: each.outcome is Outcome.OK,
        ),
        (
            "litellm_deployment_failure_responses",
            "Upstream attempts that failed.",
            lambda each: each.outcome in (Outcome.FAILED, Outcome.UNCERTAIN),
        ),
    )
    for name, help_text, counts in ends:
        found = [(key, each.number) for key, each in by_deployment if counts(each)]
        yield from counter(name, help_text, ("litellm_model_name", "api_provider"), found)
    yield from counter(
        "litellm_deployment_cooled_down",
        "Cooldowns of deployments.",
        ("litellm_model_name", "api_provider"),
        [(each.labels, each.number) for each in counted.cooldowns],
    )
    yield from gauge(
        "litellm_in_flight_requests",
        "Requests that are being answered.",
        sum_of(gauges).calls_under_way,
    )
