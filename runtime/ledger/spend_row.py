"""From an attempt's facts to its row: pure, so that what is booked can be read and tested apart."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from functions.contract.call import Call
from models_registry.dialects import Dialect
from models_registry.prices.charges import NOTHING, attempt_parts, costs_nothing
from models_registry.prices.price import Price, cache_saved_nano
from models_registry.target import Target
from schema.errors.base import GatewayError
from schema.errors.models import GuardrailRefused
from schema.errors.overload import ClientLeft
from schema.errors.upstream import UpstreamError
from schema.labels import together
from schema.ledger.journal import Held, HeldCharge, Settled, row_of
from schema.ledger.rows import Outcome, SpendRow
from schema.usage import NOTHING_RARE, Usage

MAX_ERROR_CHARS = 500
MAX_TEXT_CHARS = 500
MAX_COUNT = 2**31 - 1
MAX_COST_NANO = 10**17
"""A hundred million dollars: what an attempt costs at most, so that no sum of them leaves 64 bits."""
CLIENT_LEFT = 499
NOWHERE = Target(model_id="", public_name="", provider="", dialect=Dialect.OPENAI, model="", api_base="")
"""In the row of a call that never had a deployment."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was known when the attempt began. `began_mono` is `time.monotonic()`."""

    call: Call
    target: Target
    streamed: bool
    began_mono: float
    customer: str | None = None
    number: int = 1
    """Which of its call's."""


class Ending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How an attempt ended. `usage` is what is charged for."""

    outcome: Outcome
    usage: Usage
    http_status: int
    error: Exception | None = None
    final: bool = True
    """As in SpendRow."""
    cache_hit: bool = False
    """As in SpendRow."""


def ending_of_failure(
    error: Exception, usage: Usage | None, bound: Callable[[], Usage], target: Target
) -> Ending:
    """What a broken attempt costs.

    What the provider reported, where it did; nothing where no work was done: no connection, an answer that
    says so (`models_registry/prices/charges.py`), or an error of ours before anything was sent; the whole
    bound where nobody knows: timeouts, cuts, garbage, a proxy's 5xx, and faults of our own. A deployment that
    costs nothing has no bill to doubt, so that a failure there uses no tokens of a limit.
    """
    status = error.http_status if isinstance(error, GatewayError) else 500
    if usage is not None:
        return Ending(outcome=Outcome.FAILED, usage=usage, http_status=status, error=error)
    if isinstance(error, GatewayError) and not isinstance(error, UpstreamError) and status != 500:
        return Ending(outcome=Outcome.REFUSED, usage=NOTHING, http_status=status, error=error)
    billed = target.price is None or not target.price.is_free
    if not billed or (
        isinstance(error, UpstreamError) and costs_nothing(error, bills_failures=target.bills_failures)
    ):
        return Ending(outcome=Outcome.FAILED, usage=NOTHING, http_status=status, error=error)
    doubtful = msgspec.structs.replace(bound(), estimated=True)
    return Ending(outcome=Outcome.UNCERTAIN, usage=doubtful, http_status=status, error=error)


def believable(usage: Usage) -> bool:
    """False for counts that no answer can have: negative, or beyond 32 bits."""
    return (
        0 <= usage.prompt_tokens <= MAX_COUNT
        and 0 <= usage.completion_tokens <= MAX_COUNT
        and 0 <= usage.cached_tokens <= MAX_COUNT
        and 0 <= usage.cache_write_tokens <= MAX_COUNT
        and 0 <= usage.reasoning_tokens <= MAX_COUNT
        and (usage.rare is None or all(0 <= count <= MAX_COUNT for count in usage.rare.counts))
    )


def mended(usage: Usage, bound: Usage) -> Usage:
    """A report with counts that no answer can have, as an estimate: the bound in place of those, and of the
    zeros beside them. A count that can be true holds, however far above the bound it is."""
    return msgspec.structs.replace(
        bound,
        prompt_tokens=_likely(usage.prompt_tokens, bound.prompt_tokens),
        completion_tokens=_likely(usage.completion_tokens, bound.completion_tokens),
        estimated=True,
    )


def _likely(count: int, bound: int) -> int:
    return count if 0 < count <= MAX_COUNT else min(max(bound, 0), MAX_COUNT)


def with_images(usage: Usage, images: int) -> Usage:
    """The usage with the pictures of its request: no provider counts them."""
    rare = msgspec.structs.replace(usage.rare or NOTHING_RARE, images=images)
    return msgspec.structs.replace(usage, rare=rare)


def held_of(attempt: Attempt, bound: Usage, ceiling_nano: int, charges: tuple[HeldCharge, ...]) -> Held:
    """What the journal says of an attempt before it is sent."""
    call, target = attempt.call, attempt.target
    caller, price = call.caller, target.price
    return Held(
        request_id=call.request_id,
        call_id=_text(call.client_call_id) or call.request_id,
        call_type=call.call_type,
        key_hash=caller.key_hash,
        key_id=caller.key_id,
        key_alias=_text(caller.key_alias),
        user_id=caller.user_id,
        team_id=caller.team_id,
        organization_id=caller.organization_id,
        project_id=caller.project_id,
        end_user=_text(attempt.customer),
        requester_ip=call.client_ip,
        user_agent=_text(call.user_agent),
        model_group=_text(target.public_name) or "",
        model=_text(target.model) or "",
        model_id=target.model_id,
        provider=target.provider,
        api_base=target.api_base,
        started_at=moment(call, attempt.began_mono),
        streamed=attempt.streamed,
        price_source=None if price is None else price.source,
        bound=bound,
        ceiling_nano=ceiling_nano,
        charges=charges,
        price_version=None if price is None else price.version,
        price_effective=None if price is None else price.effective,
        tags=_tags(call.tags or caller.tags, call.agent_tags),
        session_id=call.session_id,
        attempt=attempt.number,
        trace_id=call.trace_id,
        spend_logs_metadata=call.spend_logs_metadata,
        stays_local=call.stays_local,
        route=call.provider_side.route,
    )


def settled_of(
    attempt: Attempt,
    ending: Ending,
    *,
    first_mono: float | None,
    ended_mono: float,
    ceiling_nano: int | None = None,
    response_id: str | None = None,
) -> Settled:
    """How it ended. Without a price it costs zero; where nobody knows what it cost, what was held for it."""
    call, price, error, usage = attempt.call, attempt.target.price, ending.error, ending.usage
    if usage.service_tier:
        usage = msgspec.structs.replace(usage, service_tier=_clean(usage.service_tier))
    duration_ms = int((ended_mono - attempt.began_mono) * 1000)
    free = price is None or price.is_free or ending.cache_hit
    parts = () if price is None or free else attempt_parts(price, ending.outcome, usage, duration_ms)
    cost_nano = sum(parts)
    if ending.outcome is Outcome.UNCERTAIN and ceiling_nano is not None and ceiling_nano > cost_nano:
        cost_nano, parts = ceiling_nano, ()
    return Settled(
        request_id=call.request_id,
        first_token_at=None if first_mono is None else moment(call, first_mono),
        ended_at=moment(call, ended_mono),
        duration_ms=duration_ms,
        usage=usage,
        cost_nano=min(cost_nano, MAX_COST_NANO),
        cost_parts=parts if 0 < cost_nano <= MAX_COST_NANO else (),
        outcome=ending.outcome,
        http_status=ending.http_status,
        error_class=None if error is None else type(error).__name__,
        error_message=None if error is None else said_of(error, attempt.call),
        attempt=attempt.number,
        final=ending.final,
        cache_saved_nano=_saved(price, ending) if usage.cached_tokens else 0,
        response_id=_clean(response_id[:MAX_TEXT_CHARS]) if response_id else None,
        cache_hit=ending.cache_hit,
        guardrails=call.provider_side.guardrails,
    )


def _saved(price: Price | None, ending: Ending) -> int:
    """What the provider's cache saved. Nobody knows it of an attempt whose usage is a bound."""
    if price is None or price.is_free or ending.outcome is Outcome.UNCERTAIN:
        return 0
    return min(cache_saved_nano(price, ending.usage), MAX_COST_NANO)


def refusal_row(call: Call, error: Exception, *, model: str, ended_mono: float) -> SpendRow:
    """The row of an authenticated call that ended without a hold: before any upstream was chosen, or after
    one failed and before the next. Then it says what ended the call, where that is not what failed."""
    cause = error.__cause__
    why = cause if call.attempts and isinstance(cause, GatewayError) else error
    outcome = Outcome.FAILED if call.attempts else Outcome.REFUSED
    if isinstance(error, ClientLeft):
        outcome = Outcome.CANCELLED
    attempt = Attempt(
        call=call,
        target=NOWHERE,
        streamed=False,
        began_mono=call.received_mono,
        customer=call.customer,
    )
    ending = Ending(
        outcome=outcome,
        usage=NOTHING,
        http_status=error.http_status if isinstance(error, GatewayError) else 500,
        error=why,
    )
    held = msgspec.structs.replace(
        held_of(attempt, NOTHING, 0, ()),
        key_id="",
        model_group=_text(call.attempts[-1].model if call.attempts else model) or "",
    )
    return row_of(held, settled_of(attempt, ending, first_mono=None, ended_mono=ended_mono))


def moment(call: Call, mono: float) -> datetime:
    """The wall-clock time of a monotonic one, by the call's own pair of the two."""
    return call.received_at + timedelta(seconds=mono - call.received_mono)


def said_of(error: Exception, call: Call) -> str | None:
    """A gateway error's message, which is fit for the caller; another's text may hold anything. The
    provider's own words follow, where the message lacks them. They may repeat the prompt: of a call that
    stays local, nothing of which is stored, they are left out."""
    if not isinstance(error, GatewayError):
        return None
    if (
        call.stays_local
        and not call.caller.keeps_local_bodies
        and isinstance(error, UpstreamError | GuardrailRefused)
    ):
        return f"{type(error).__name__}, status {error.http_status}; the words are not kept (local_only)"
    text = error.message[:MAX_ERROR_CHARS]
    said = error.said if isinstance(error, UpstreamError) else ""
    if said and said not in error.message:
        text = f"{text} The provider said: {said[:MAX_ERROR_CHARS]}"
    return _clean(text)


@lru_cache(maxsize=4096)
def _tags(asked: tuple[str, ...], of_agent: tuple[str, ...]) -> tuple[str, ...]:
    """Most calls of a client have the same ones."""
    return together(asked, of_agent)


@lru_cache(maxsize=4096)
def _text(value: str | None) -> str | None:
    """A caller's text for a column: bounded, and storable."""
    return None if value is None else _clean(value[:MAX_TEXT_CHARS])


def _clean(text: str) -> str:
    """Postgres holds neither NUL nor half a surrogate pair; JSON can bring both."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
