"""The budgets over one call of the log, before the call and with it."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schema.reports import Query


class CallBudgetsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /spend/logs/ui/{request_id}/budgets."""

    request_id: str


class BudgetOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls a budget counts."""

    kind: str
    """`key`, `user`, `team`, `member`, `organization`, `customer`, `tag` or `global`; others have no sums."""
    id: str = ""
    part: str = ""
    """The user, where the owner is a member of a team."""
    model: str | None = None
    """The public name of the only model that counts. None: all models."""


class BalanceBefore(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent of a budget when a call began."""

    spent: Decimal | None
    """In dollars. None: it is not told, and `untold` says why."""
    untold: str | None = None
    at_least: bool = False
    """Whether more may have been spent: by calls under a replaced key whose hash nobody has any more."""


class CallBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget over a call, in dollars."""

    of: str
    """Whose it is, by LiteLLM's words: `api_key`, `team`, `user`, `team_member`, `organization` ..."""
    subject: str
    """What a message calls its owner: `team platform`."""
    max_budget: Decimal
    """The budget as it is now."""
    duration: str | None = None
    """The length of its window as it is now. Null: it never resets."""
    model: str | None = None
    """The model that it is for. Null: all models."""
    window_start: datetime | None = None
    window_end: datetime | None = None
    """The window that the call began in. Null: the budget never resets."""
    before: Decimal | None = None
    """What the calls of that window cost which began before this one. Null: it is not told."""
    after: Decimal | None = None
    """The same with this call."""
    at_least: bool = False
    """Whether more may have been spent: by calls under a replaced key whose hash nobody has any more."""
    untold: str | None = None
    """Why `before` and `after` are not told."""


class CallBudgets(msgspec.Struct, frozen=True, kw_only=True):
    """The budgets over a call that the caller may see, by the rows of the ledger as they are now."""

    request_id: str
    spend: Decimal
    budgets: list[CallBudget]
    hidden: int = 0
    """How many budgets over the call the caller may not see."""
    unknown: str | None = None
    """Why budgets of the key, its user and its team are not known. Null: they are known."""
