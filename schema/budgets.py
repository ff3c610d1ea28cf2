"""Budgets by name: the record and the management wire forms (LiteLLM's field names)."""

import msgspec

from schema.fields import LimitFields, LimitRequest
from schema.wire import Wire


class BudgetRecord(LimitFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_BudgetTable`."""

    budget_id: str


class BudgetNewRequest(LimitRequest, frozen=True, kw_only=True, dict=True):
    """POST /budget/new. Without `budget_id` the gateway makes an id."""

    budget_id: str | None = None


class BudgetUpdateRequest(LimitRequest, frozen=True, kw_only=True, dict=True):
    """POST /budget/update. An absent field stays as it is; null clears it."""

    budget_id: str


class BudgetInfoRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /budget/info."""

    budgets: list[str]


class BudgetDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /budget/delete."""

    id: str


class BudgetListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /budget/list takes nothing."""


class BudgetSettingsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /budget/settings."""

    budget_id: str


class BudgetSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a budget, for a form: its name, kind, help and value."""

    field_name: str
    field_type: str
    field_description: str
    field_value: msgspec.Raw
    stored_in_db: bool
