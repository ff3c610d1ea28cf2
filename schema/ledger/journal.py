"""What a worker writes down of an upstream attempt before it acts: the journal's records.

Encoded as MessagePack arrays, by position: a field may be added at the end, with a default, and none
may be moved or taken out, since a journal can be read by a later version than wrote it.
"""

from datetime import date, datetime

import msgspec

from schema.ledger.rows import Charge, Outcome, SpendRow, earlier_id
from schema.usage import Usage


class HeldCharge(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What an attempt took out of one budget's lease. The row that `kind`, `object_id` and `part` name says
    how much was spent; with an empty `kind` the account itself does."""

    account: str
    epoch: int
    worker: str
    taken_nano: int
    kind: str
    object_id: str
    part: str


class Held(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """An attempt that is about to be sent, as its row is booked if nobody ever says how the attempt ended."""

    request_id: str
    call_id: str
    call_type: str
    key_hash: str
    key_id: str
    key_alias: str | None
    user_id: str
    team_id: str | None
    organization_id: str | None
    end_user: str | None
    requester_ip: str | None
    user_agent: str | None
    model_group: str
    model: str
    model_id: str
    provider: str
    api_base: str
    started_at: datetime
    streamed: bool
    price_source: str | None
    bound: Usage
    """The most that the attempt can use."""
    ceiling_nano: int
    """What `bound` costs."""
    charges: tuple[HeldCharge, ...] = ()
    price_version: str | None = None
    price_effective: date | None = None
    tags: tuple[str, ...] = ()
    session_id: str | None = None
    attempt: int = 1
    """The number of the attempt within its call, from 1."""

    @property
    def key(self) -> tuple[str, int]:
        """The key by which the ending of the attempt is found."""
        return self.request_id, self.attempt


class Settled(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """How an attempt ended."""

    request_id: str
    first_token_at: datetime | None
    ended_at: datetime
    duration_ms: int
    usage: Usage
    cost_nano: int
    outcome: Outcome
    http_status: int
    error_class: str | None = None
    error_message: str | None = None
    cost_parts: tuple[int, ...] = ()
    """See `SpendRow`."""
    attempt: int = 1
    final: bool = True
    """See `SpendRow`."""

    @property
    def key(self) -> tuple[str, int]:
        return self.request_id, self.attempt


def row_of(held: Held, settled: Settled) -> SpendRow:
    """The row of an attempt, made of its beginning and its ending, with what it takes out of budgets."""
    usage, cost = settled.usage, settled.cost_nano
    return SpendRow(
        request_id=held.request_id if settled.final else earlier_id(held.request_id, held.attempt),
        call_id=held.call_id,
        call_type=held.call_type,
        key_hash=held.key_hash,
        key_id=held.key_id,
        key_alias=held.key_alias,
        user_id=held.user_id,
        team_id=held.team_id,
        organization_id=held.organization_id,
        end_user=held.end_user,
        requester_ip=held.requester_ip,
        user_agent=held.user_agent,
        model_group=held.model_group,
        model=held.model,
        model_id=held.model_id,
        provider=held.provider,
        api_base=held.api_base,
        started_at=held.started_at,
        first_token_at=settled.first_token_at,
        ended_at=settled.ended_at,
        duration_ms=settled.duration_ms,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=usage.estimated,
        cost_nano=cost,
        price_source=held.price_source,
        price_version=held.price_version,
        price_effective=held.price_effective,
        service_tier=usage.service_tier,
        rare=usage.rare,
        cost_parts=settled.cost_parts,
        input_reported=usage.input_reported,
        tags=held.tags,
        session_id=held.session_id,
        final=settled.final,
        streamed=held.streamed,
        outcome=settled.outcome,
        http_status=settled.http_status,
        error_class=settled.error_class,
        error_message=settled.error_message,
        held_nano=_exceeded(held, cost),
        charges=tuple(
            Charge(
                account=each.account,
                epoch=each.epoch,
                worker=each.worker,
                taken_nano=min(cost, each.taken_nano),
                cost_nano=cost,
                kind=each.kind,
                object_id=each.object_id,
                part=each.part,
            )
            for each in held.charges
        )
        if cost
        else (),
    )


def _exceeded(held: Held, cost_nano: int) -> int | None:
    """The least that a budget held for the attempt, where the cost is above that; else None."""
    least = min((each.taken_nano for each in held.charges), default=cost_nano)
    return least if least < cost_nano else None


def unsettled(held: Held, at: datetime) -> Settled:
    """The ending of an attempt whose worker died. It is booked at all that it could cost, until a correction
    says what it did cost."""
    return Settled(
        request_id=held.request_id,
        first_token_at=None,
        ended_at=max(at, held.started_at),
        duration_ms=max(0, int((at - held.started_at).total_seconds() * 1000)),
        usage=msgspec.structs.replace(held.bound, estimated=True),
        cost_nano=held.ceiling_nano,
        outcome=Outcome.UNCERTAIN,
        http_status=500,
        attempt=held.attempt,
        error_class="WorkerLost",
        error_message="The gateway's worker ended before this call did; it is charged at its ceiling.",
    )
