"""The ledger's record: one row an upstream attempt, one a refused authenticated call."""

import enum
import re
from datetime import date, datetime

import msgspec

from schema.usage import RareMeters, Usage

EARLIER = "-a[1-9][0-9]{0,3}$"
"""The end of such an id, for Postgres too. Not so long that a UUID's last group could be taken for it."""
_EARLIER = re.compile(EARLIER)


class Outcome(enum.Enum):
    """What became of the attempt. LiteLLM's `status` is success for OK and failure for the rest."""

    OK = "ok"
    REFUSED = "refused"
    """Turned away by this gateway before anything was sent."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The client left; the tokens are an upper bound of what was produced."""
    UNCERTAIN = "uncertain"
    """Sent, and nobody knows what the provider will charge."""


class Charge(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What an attempt takes out of one budget: `taken` leaves the lease, `cost` was spent. The money
    spent stands in the row of `kind`, `object_id` and `part`, or in the account itself."""

    account: str
    epoch: int
    worker: str
    taken_nano: int
    cost_nano: int
    kind: str
    object_id: str
    part: str


class SpendRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A row of `LiteLLM_SpendLogs`. Times are UTC and aware; money is integer nano-USD. Journals hold it by
    position: a new field goes to the end, with a default."""

    request_id: str
    """The call's; of an attempt that was not its last, as `earlier_id` has it."""
    call_id: str
    """The client's own id for the call where it sent one, else the request id."""
    call_type: str
    """`acompletion`, `aembedding`: the peer's words, which dashboards filter on."""
    key_hash: str
    key_alias: str | None
    user_id: str
    team_id: str | None
    organization_id: str | None = None
    end_user: str | None
    requester_ip: str | None
    user_agent: str | None
    model_group: str
    """The public name asked for."""
    model: str
    """The provider's own name; empty on a refusal before routing."""
    model_id: str
    provider: str
    api_base: str
    started_at: datetime
    first_token_at: datetime | None
    ended_at: datetime
    duration_ms: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_nano: int
    price_source: str | None = None
    """Where the price came from; None: the price is unknown, and the cost is booked as zero."""
    streamed: bool
    outcome: Outcome
    http_status: int
    """How the attempt ended, as a status; of a call's last one mostly what the caller was answered. 499 where
    the caller left."""
    error_class: str | None
    error_message: str | None
    key_id: str = ""
    """By which the key's counter is kept; the hash where it is empty. In no column of the row."""
    charges: tuple[Charge, ...] = ()
    """Of the budgets the attempt was held on. In no column of the row."""
    price_version: str | None = None
    """Of the price's source: the package's version, or the hash of the config's price fields."""
    price_effective: date | None = None
    """Since when that price holds, as far as its source says."""
    service_tier: str = ""
    """What the provider says it served; empty: its standard tier."""
    rare: RareMeters | None = None
    cost_parts: tuple[int, ...] = ()
    """The cost by what it is for, in the order of `models_registry.prices.price.Parts`; empty where it is
    0."""
    input_reported: bool = False
    """Of an estimate: the provider did report the input. In the row's metadata."""
    corrects: str | None = None
    """The request id of the row that this one corrects: its sums are differences, and no call is counted."""
    tags: tuple[str, ...] = ()
    """Request tags: the call's, its key's and its team's."""
    session_id: str | None = None
    final: bool = True
    """False of an attempt after which its call went on to another: no call is counted."""
    held_nano: int | None = None
    """What budgets held for the attempt, where it cost more. In the row's metadata."""


def earlier_id(request_id: str, attempt: int) -> str:
    """The row of an attempt after which its call went on: `<call>-a1` of the first."""
    return f"{request_id}-a{attempt}"


def is_earlier_id(request_id: str) -> bool:
    return _EARLIER.search(request_id) is not None


def usage_of(row: SpendRow) -> Usage:
    """What the row says was used: with the row's duration, all that a price needs."""
    return Usage(
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        reasoning_tokens=row.reasoning_tokens,
        estimated=row.estimated,
        input_reported=row.input_reported,
        service_tier=row.service_tier,
        rare=row.rare,
    )
