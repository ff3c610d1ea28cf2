"""What a function is given: the call, and the ports it may use. Implementations are in `runtime`.

A port holds only what some function calls. A context is a frozen Struct of the call and at most
eight ports, one type a family, put together in `runtime/services.py` (or by hand in a test).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines, Target
from schema.health import Readiness
from schema.keys import KeyListQuery, KeyPage, KeyRecord
from schema.models import ModelCard
from schema.spend import SpendDay, SpendQuery, SpendRow
from schema.usage import Usage

PROXY_ADMIN = "proxy_admin"
INTERNAL_USER = "internal_user"

MASTER_KEY_HASH = "litellm_proxy_master_key"
"""What stands for the master key in spend rows: LiteLLM's word, so dashboards go on working."""
MASTER_USER_ID = "default_user_id"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, as the key says. `models` is empty where all are allowed."""

    role: str
    key_hash: str
    key_alias: str | None = None
    user_id: str = ""
    team_id: str | None = None
    models: tuple[str, ...] = ()

    @property
    def is_admin(self) -> bool:
        return self.role == PROXY_ADMIN


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request to this gateway. `reply_headers` is filled by whoever learns a fact that the
    caller is told (deployment, cost); it is sent with the reply, with errors too."""

    request_id: str
    """Made here (UUIDv7), unique for all time."""
    call_type: str = ""
    """The function's, for spend rows."""
    client_call_id: str | None = None
    received_at: datetime
    received_mono: float
    """`time.monotonic()` at the same moment, for durations."""
    roll: float = 0.0
    """Random in [0, 1): the call's luck where something is chosen by weight."""
    caller: Caller
    client_ip: str | None = None
    user_agent: str | None = None
    pass_on: Mapping[str, str] = {}
    """Headers that go on to the upstream: the allow-list only, lower-case names."""
    reply_headers: dict[str, str] = msgspec.field(default_factory=dict)
    attempts: list[str] = msgspec.field(default_factory=list)
    """Ids of the upstream attempts the ledger has on its books for this call."""


class Models(Protocol):
    """The registry of model names."""

    def target(self, name: str, *, allowed: Sequence[str], roll: float) -> Target:
        """The deployment for one call of a key that may use `allowed` (empty: all). `roll`, in
        [0, 1), picks among several. Raises ModelNotFound or ModelNotAllowed."""
        ...

    def cards(self, *, allowed: Sequence[str]) -> Sequence[ModelCard]:
        """The models a key may use, in the config's order."""
        ...


class UpstreamResponse(Protocol):
    """An answer whose head has arrived. `close()` at once cuts the connection unless the body
    was read to its end; it may be called any number of times."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""
        ...

    async def read(self) -> bytes:
        """The whole body. Raises UpstreamMalformed over the size limit, UpstreamCut, UpstreamTimeout."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Ends without an error only where the transport ended cleanly."""
        ...

    def close(self) -> None: ...


class Upstream(Protocol):
    """The way out to model providers."""

    async def open(self, request: UpstreamRequest, deadlines: Deadlines) -> UpstreamResponse:
        """Send and wait for the head. Raises UpstreamUnreachable (nothing was sent), UpstreamTimeout,
        UpstreamCut (sent, and closed without an answer) or UpstreamMalformed (not HTTP)."""
        ...


class Hold(Protocol):
    """One upstream attempt on the books. Exactly one of settle, fail and cancel is called, once;
    each is synchronous, so that a cancelled task still settles."""

    def first_token(self) -> None: ...

    def settle(self, usage: Usage) -> None:
        """The answer is complete."""
        ...

    def fail(self, error: Exception, usage: Usage | None = None) -> None:
        """It broke. With `usage` that is booked; without, the error decides between nothing
        (the provider did no work) and the hold's whole bound (nobody knows)."""
        ...

    def cancel(self, usage: Usage) -> None:
        """The client left."""
        ...


class Ledger(Protocol):
    """Where money is written down."""

    def hold(self, call: Call, target: Target, *, streamed: bool, bound: Callable[[], Usage]) -> Hold:
        """Open an attempt that can use at most `bound()`, which is worked out when it is needed."""
        ...


class Keys(Protocol):
    """The virtual keys, by SHA-256 of the key."""

    async def add(self, record: KeyRecord) -> None:
        """Raises Conflict where the key or its alias exists."""
        ...

    async def find(self, key_hash: str) -> KeyRecord | None: ...

    async def page(self, query: KeyListQuery, *, user_id: str | None) -> KeyPage:
        """One page; `user_id` limits it to that owner's keys."""
        ...

    async def remove(self, key_hashes: Sequence[str], aliases: Sequence[str], *, by: Caller) -> list[str]:
        """Delete keys and keep a record; gives the hashes that went."""
        ...


class Spend(Protocol):
    """Reads of the ledger."""

    async def rows(self, query: SpendQuery, *, key_hash: str | None, user_id: str | None) -> list[SpendRow]:
        """Newest first. `key_hash` and `user_id` limit the rows to what the caller may see.
        Raises InvalidRequest for a date that is none."""
        ...

    async def days(self, query: SpendQuery, *, key_hash: str | None, user_id: str | None) -> list[SpendDay]:
        """Sums by UTC day, oldest first, of the rows the query fits (its `limit` apart)."""
        ...


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, aware."""
        ...


class Entropy(Protocol):
    def key(self) -> str:
        """A new virtual key: `sk-` and 256 random bits, URL-safe."""
        ...


class Probe(Protocol):
    async def check(self) -> Readiness:
        """The state of what calls depend on. Raises Overloaded when they can't be served."""
        ...


class ModelContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that call models."""

    call: Call
    models: Models
    upstream: Upstream
    ledger: Ledger


class CatalogueContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that list models."""

    call: Call
    models: Models


class KeyContext(msgspec.Struct, frozen=True, kw_only=True):
    """For the management of keys."""

    call: Call
    keys: Keys
    clock: Clock
    entropy: Entropy


class SpendContext(msgspec.Struct, frozen=True, kw_only=True):
    """For reports."""

    call: Call
    spend: Spend


class HealthContext(msgspec.Struct, frozen=True, kw_only=True):
    """For probes, which nobody signs in for."""

    readiness: Probe
