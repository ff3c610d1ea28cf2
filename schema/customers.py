"""Customers (end users): the record and the management wire forms (LiteLLM's field names)."""

from decimal import Decimal

import msgspec

from schema.budgets import BudgetRecord
from schema.fields import UNSET, LimitRequest, MaybeDollars, MaybeFlag, MaybeText, MaybeTexts, StampFields
from schema.wire import Wire


class CustomerRecord(StampFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_EndUserTable`: the end user that a request's `user` names. The limits are those of
    the customer's budget."""

    user_id: str
    alias: str | None = None
    spend: Decimal = Decimal(0)
    default_model: str | None = None
    models: list[str] = []
    budget_id: str | None = None
    blocked: bool = False


class CustomerRequest(LimitRequest, frozen=True, kw_only=True, dict=True):
    """POST /customer/new and /customer/update. The body gives a budget's id or limits of the customer's own,
    not both. An absent field stays as it is; null clears it."""

    user_id: str
    alias: MaybeText = UNSET
    blocked: MaybeFlag = UNSET
    budget_id: MaybeText = UNSET
    default_model: MaybeText = UNSET
    """It is kept. LiteLLM calls it for a customer who is bound to a region."""
    models: MaybeTexts = UNSET
    spend: MaybeDollars = UNSET


class CustomersRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /customer/delete, /customer/block and /customer/unblock."""

    user_ids: list[str]


class CustomerQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /customer/info."""

    end_user_id: str


class CustomerListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /customer/list. Pages count from 1."""

    page: int = 1
    page_size: int = 1_000


class CustomerInfo(CustomerRecord, frozen=True, kw_only=True):
    litellm_budget_table: BudgetRecord | None = None


class CustomersDeleted(msgspec.Struct, frozen=True, kw_only=True):
    deleted_customers: int
    message: str


class CustomersBlocked(msgspec.Struct, frozen=True, kw_only=True):
    blocked_users: list[CustomerRecord]
