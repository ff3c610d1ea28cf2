"""The ledger's record: one row an upstream attempt, one a refused authenticated call."""

import enum
import re
from datetime import date, datetime
from operator import attrgetter

import msgspec

from schema.usage import RareMeters, Usage

EARLIER = "-a[1-9][0-9]{0,3}$"
"""How the id of an attempt ends after which its call went on (`-a1`), as a pattern for Python and Postgres.
It is too short to be taken for the last group of a UUID."""
_EARLIER = re.compile(EARLIER)


class Outcome(enum.Enum):
    """What became of the attempt. LiteLLM's `status` is success for OK and failure for the rest."""

    OK = "ok"
    REFUSED = "refused"
    """This gateway refused the call before anything was sent."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The client left; the tokens are an upper bound of what was produced."""
    UNCERTAIN = "uncertain"
    """The request was sent, and nobody knows what the provider will charge."""

    __hash__ = object.__hash__
    """By identity, as members are compared. Enum's own takes ten times as long."""


class Charge(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What an attempt takes out of one budget: `taken` leaves the lease, `cost` was spent. The row that
    `kind`, `object_id` and `part` name says how much was spent; with an empty `kind` the account itself
    does."""

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
    """The id of the call. An attempt that was not the call's last has the id that `earlier_id` makes."""
    call_id: str
    """The client's own id for the call where it sent one, else the request id."""
    call_type: str
    """`acompletion` or `aembedding`: LiteLLM's words, which dashboards filter on."""
    key_hash: str
    key_alias: str | None
    user_id: str
    team_id: str | None
    organization_id: str | None = None
    end_user: str | None
    requester_ip: str | None
    user_agent: str | None
    model_group: str
    """The public name of the model that the caller asked for."""
    model: str
    """The provider's own name of the model; empty where the call was refused before routing."""
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
    """Where the price came from. None where the price is unknown and the cost is booked as zero."""
    streamed: bool
    outcome: Outcome
    http_status: int
    """How the attempt ended, as a status. For the last attempt of a call it is mostly the status that the
    caller got. 499: the caller left."""
    error_class: str | None
    error_message: str | None
    key_id: str = ""
    """The id under which the key's counter is kept; where it is empty, the hash is that id. The row has no
    column for it."""
    charges: tuple[Charge, ...] = ()
    """What the attempt takes out of the budgets it was held on. The row has no column for it."""
    price_version: str | None = None
    """The version of the price's source: that of the package, or a hash of the config's price fields."""
    price_effective: date | None = None
    """The day since which the price holds; None where its source does not say."""
    service_tier: str = ""
    """The service tier that the provider says it served; empty for its standard tier."""
    rare: RareMeters | None = None
    cost_parts: tuple[int, ...] = ()
    """The cost by what it is for, in the order of `models_registry.prices.price.Parts`; empty where the cost
    is 0."""
    input_reported: bool = False
    """True where the counts are an estimate, but the provider did report the input. The row has it in its
    metadata."""
    corrects: str | None = None
    """The request id of the row that this row corrects. The sums of a correction are differences, and it
    counts no call."""
    tags: tuple[str, ...] = ()
    """The request tags of the call, its key and its team."""
    session_id: str | None = None
    final: bool = True
    """False where the call went on to another attempt after this one: the row then counts no call."""
    held_nano: int | None = None
    """What budgets held for the attempt before it was sent. None: no budget is over it. The row has it in its
    metadata."""
    response_id: str | None = None
    """The id of the answer that the client was sent: `chatcmpl-...`. Providers choose it."""
    trace_id: str | None = None
    """The client's trace that the call is part of. The row has it in its metadata."""
    spend_logs_metadata: str = ""
    """What the client wants to find in the row's metadata, as JSON. Empty: nothing."""
    stays_local: str = ""
    """Who said that the call goes to local deployments alone, such as `team`. Empty: nobody did. The row has
    it in its metadata."""
    route: str = ""
    """Why the attempt went where it went, as JSON. The row has it in its metadata. Empty: there was nothing
    to decide."""
    project_id: str | None = None
    """The project of the key."""
    cache_saved_nano: int = 0
    """What reading from the provider's cache saved against the plain price of input. The row has it in its
    metadata."""
    cache_hit: bool = False
    """Whether the answer came from the response cache. Then the call cost nothing, and its counts are those
    of the call whose answer was kept."""
    guardrails: str = ""
    """What guardrails and rules about contents decided, as JSON. The row has it in its metadata. Empty: none
    was asked."""


def earlier_id(request_id: str, attempt: int) -> str:
    """The row id of an attempt after which its call went on: `<call>-a1` for the first attempt."""
    return f"{request_id}-a{attempt}"


def is_earlier_id(request_id: str) -> bool:
    return _EARLIER.search(request_id) is not None


def ttft_ms(row: SpendRow) -> int | None:
    """The time to the first token, in milliseconds."""
    first = row.first_token_at
    return None if first is None else int((first - row.started_at).total_seconds() * 1000)


_of_usage = attrgetter(*Usage.__struct_fields__)


def usage_of(row: SpendRow) -> Usage:
    """The usage of a row. Together with the row's duration it is all that a price needs."""
    return msgspec.convert(_of_usage(row), Usage)
