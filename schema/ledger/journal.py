"""What a worker writes down of an upstream attempt before it acts: the journal's records.

Encoded as MessagePack arrays, by position: a field may be added at the end, with a default, and none
may be moved or taken out, since a journal can be read by a later version than wrote it.
"""

from datetime import date, datetime
from operator import attrgetter, itemgetter

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
    trace_id: str | None = None
    spend_logs_metadata: str = ""
    stays_local: str = ""
    """See `SpendRow`."""
    route: str = ""
    """See `SpendRow`."""
    project_id: str | None = None

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
    response_id: str | None = None
    """See `SpendRow`."""
    cache_saved_nano: int = 0
    """See `SpendRow`."""
    cache_hit: bool = False
    """See `SpendRow`."""
    guardrails: str = ""
    """See `SpendRow`."""

    @property
    def key(self) -> tuple[str, int]:
        return self.request_id, self.attempt


_OWN = frozenset({"request_id", "charges"})
"""The fields of a row that two records have and that are no copy of either."""


def _shared(record: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields that a row takes over from a record, by name."""
    names = set(SpendRow.__struct_fields__) - _OWN
    return tuple(name for name in record.__struct_fields__ if name in names)


_MADE = ("request_id", "charges", "held_nano", "corrects")
_FOUND = (*_shared(Held), *_shared(Settled), *_shared(Usage), *_MADE)
_in_order = itemgetter(*map(_FOUND.index, SpendRow.__struct_fields__))
"""From the order of _FOUND to that of a row's fields, by which `msgspec.convert` makes a row: that is several
times as fast as a call with their names."""
_of_held = attrgetter(*_shared(Held))
_of_settled = attrgetter(*_shared(Settled))
_of_usage = attrgetter(*_shared(Usage))


def row_of(held: Held, settled: Settled) -> SpendRow:
    """The row of an attempt, made of its beginning and its ending, with what it takes out of budgets."""
    cost = settled.cost_nano
    values = (
        *_of_held(held),
        *_of_settled(settled),
        *_of_usage(settled.usage),
        held.request_id if settled.final else earlier_id(held.request_id, held.attempt),
        _charges(held, cost),
        min((each.taken_nano for each in held.charges), default=None),
        None,  # it corrects nothing
    )
    return msgspec.convert(_in_order(values), SpendRow)


def _charges(held: Held, cost_nano: int) -> tuple[Charge, ...]:
    """What leaves the leases of the budgets that held for the attempt."""
    if not cost_nano:
        return ()
    return tuple(
        Charge(
            account=each.account,
            epoch=each.epoch,
            worker=each.worker,
            taken_nano=min(cost_nano, each.taken_nano),
            cost_nano=cost_nano,
            kind=each.kind,
            object_id=each.object_id,
            part=each.part,
        )
        for each in held.charges
    )


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
