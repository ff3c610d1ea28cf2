"""Saved filters: what somebody looks for on a page of the admin UI, under a name of their own."""

from datetime import datetime

import msgspec

from schema.fields import UNSET
from schema.wire import Wire


class SavedFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `Switchgear_SavedFilter`, as its owner sees it."""

    filter_id: str
    page: str
    """The page that the filters are for: `activity`."""
    name: str
    filters: dict[str, str]
    """The page's filters as its address has them: `{"outcome": "failed", "range": "7d"}`."""
    created_at: datetime
    updated_at: datetime


class SavedFiltersQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /saved_filters."""

    page: str | None = None
    """Only the filters of this page. Without it, those of all pages."""


class SavedFilters(msgspec.Struct, frozen=True, kw_only=True):
    """All that fit, by page and name: a user has at most 100."""

    filters: list[SavedFilter]


class SavedFilterNewRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /saved_filters."""

    page: str
    name: str
    filters: dict[str, str]


class SavedFilterUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """PATCH /saved_filters/{filter_id}. An absent field stays as it is."""

    filter_id: str = ""
    name: str | msgspec.UnsetType = UNSET
    filters: dict[str, str] | msgspec.UnsetType = UNSET


class SavedFilterDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """DELETE /saved_filters/{filter_id}."""

    filter_id: str = ""
