"""Budgets and limits as rules, in one shape for every level and meter."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Meter(enum.Enum):
    """What is counted, and the first word of an account's name."""

    MONEY = "money"
    """nano-USD"""
    REQUESTS = "rpm"
    TOKENS = "tpm"
    DAY_TOKENS = "tpd"
    PARALLEL = "parallel"
    """Calls at once."""


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
    """Whose row says how much money was spent. An empty `kind`: the account's own."""

    kind: str = ""
    """key, user, team, member, organization or customer."""
    object_id: str = ""
    part: str = ""
    """Of a member, the user."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One limit that a caller is under. `account` is where every worker looks for what is left."""

    account: str
    meter: Meter
    who: str
    """LiteLLM's word in headers and errors: api_key, user, team, team_member, organization ..."""
    subject: str
    """What a message calls it: `team platform`."""
    limit: int
    """In the meter's unit."""
    duration: str | None = None
    """The window's length, as `schema/window.py` has it. None: for ever, or not windowed."""
    model: str | None = None
    """The public model it is for; None: all."""
    holder: Holder = Holder()
    topics: tuple[str, ...] = ()
    """The rows that it was read from, as changes to them are announced: `team:platform`."""
    extra: int = 0
    """A temporary increase, until `extra_until` (seconds since 1970)."""
    extra_until: float = 0.0

    def limit_at(self, now_s: float) -> int:
        return self.limit + self.extra if now_s < self.extra_until else self.limit
