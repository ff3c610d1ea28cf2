"""Budgets and limits as rules, in one shape for every level and meter."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Meter(enum.Enum):
    """What is counted, and the first word of an account's name."""

    MONEY = "money"
    """Money, in nano-USD."""
    REQUESTS = "rpm"
    TOKENS = "tpm"
    DAY_TOKENS = "tpd"
    PARALLEL = "parallel"
    """Calls that are under way at once."""

    __hash__ = object.__hash__
    """By identity, as members are compared. Enum's own takes ten times as long."""


COUNTS: Mapping[str, Meter] = MappingProxyType(
    {
        "rpm_limit": Meter.REQUESTS,
        "tpm_limit": Meter.TOKENS,
        "tpd_limit": Meter.DAY_TOKENS,
        "max_parallel_requests": Meter.PARALLEL,
    }
)
"""The columns that limit a count, and what each counts."""
SUMS = ("max_budget", "soft_budget")
"""The columns that are sums of dollars."""


class Holder(msgspec.Struct, frozen=True, gc=False):
    """The owner whose row says how much money was spent. An empty `kind`: the account says it itself."""

    kind: str = ""
    """`key`, `user`, `team`, `member`, `organization` or `customer`."""
    object_id: str = ""
    part: str = ""
    """The user, where the owner is a member of a team."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One limit that a caller is under. `account` names the account in which every worker sees how much is
    left."""

    account: str
    meter: Meter
    who: str
    """LiteLLM's word for the owner in headers and errors: `api_key`, `user`, `team`, `team_member`,
    `organization` and others."""
    subject: str
    """What a message calls the owner: `team platform`."""
    limit: int
    """The limit, in the meter's unit."""
    duration: str | None = None
    """The length of the window, such as `30d`. None where the limit never resets or has no window."""
    model: str | None = None
    """The public name of the model that the limit is for; None for all models."""
    holder: Holder = Holder()
    topics: tuple[str, ...] = ()
    """The rows that the limit was read from, as their changes are announced: `team:platform`."""
    extra: int = 0
    """A temporary increase of the limit, until `extra_until` (seconds since 1970)."""
    extra_until: float = 0.0

    def limit_at(self, now_s: float) -> int:
        return self.limit + self.extra if now_s < self.extra_until else self.limit
