"""Tags with budgets: the record and the management wire forms (LiteLLM's field names)."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from schema.budgets import BudgetRecord
from schema.fields import UNSET, LimitRequest, MaybeDollars, MaybeText, StampFields
from schema.wire import Wire


class TagRecord(StampFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_TagTable`: a tag that requests, keys or teams have. The limits are those of the
    tag's budget. `spend` is in dollars."""

    tag_name: str
    description: str | None = None
    spend: Decimal = Decimal(0)
    budget_id: str | None = None


class TagRequest(LimitRequest, frozen=True, kw_only=True, dict=True):
    """POST /tag/new and /tag/update. The body gives a budget's id or limits of the tag's own, not both. An
    absent field stays as it is; null clears it."""

    name: str
    description: MaybeText = UNSET
    budget_id: MaybeText = UNSET
    spend: MaybeDollars = UNSET


class TagsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /tag/info."""

    names: list[str]


class TagDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /tag/delete."""

    name: str


class TagListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /tag/list takes nothing."""


class TagInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A tag with its budget."""

    name: str
    description: str | None = None
    spend: Decimal = Decimal(0)
    budget_id: str | None = None
    litellm_budget_table: BudgetRecord | None = None
    created_at: str | None = None
    created_by: str | None = None
    updated_at: str | None = None


class TagDone(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    tag: TagInfo


class TagDeleted(msgspec.Struct, frozen=True, kw_only=True):
    message: str


TagInfos = Mapping[str, TagInfo]
"""The tags that were asked for, by name."""
