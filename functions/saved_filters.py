"""Saved filters of the admin UI's pages: everybody has one's own, and nobody reads another's."""

import re
import unicodedata

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import SavedFilterContext
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import UNSET, text
from schema.saved_filters import (
    SavedFilter,
    SavedFilterDeleteRequest,
    SavedFilterNewRequest,
    SavedFilters,
    SavedFiltersQuery,
    SavedFilterUpdateRequest,
)
from schema.undeclared import refuse_undeclared

MAX_FILTERS = 100
"""How many one user may save, of all pages together."""
MAX_NAME_CHARS = 80
MAX_FIELDS = 30
MAX_VALUE_CHARS = 512
MASTERS = (
    "The filters of the master key's user are for the master key and its sessions. Make the key for a user "
    "of its own."
)
NO_SUCH = "There is no such saved filter."
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""A page, or the name of one of its filters."""


@function("GET", "/saved_filters", access=Access.FILTERS_READ)
async def list_filters(request: SavedFiltersQuery, ctx: SavedFilterContext) -> SavedFilters:
    """List the caller's own saved filters, by page and name."""
    _check_owner(ctx)
    page = None if request.page is None else _word(request.page, param="page")
    return SavedFilters(filters=await ctx.saved_filters.of_caller(page, call=ctx.call))


@function("POST", "/saved_filters", access=Access.FILTERS_WRITE)
async def new(request: SavedFilterNewRequest, ctx: SavedFilterContext) -> SavedFilter:
    """Save the filters of a page under a name that the caller has not given there yet."""
    _check_owner(ctx)
    refuse_undeclared(request)
    now = ctx.call.received_at
    saved = SavedFilter(
        filter_id=ctx.entropy.id(),
        page=_word(request.page, param="page"),
        name=_name(request.name),
        filters=_filters(request.filters),
        created_at=now,
        updated_at=now,
    )
    return await ctx.saved_filters.add(saved, most=MAX_FILTERS, call=ctx.call)


@function("PATCH", "/saved_filters/{filter_id}", access=Access.FILTERS_WRITE)
async def update(request: SavedFilterUpdateRequest, ctx: SavedFilterContext) -> SavedFilter:
    """Give a saved filter of one's own another name, or other filters."""
    _check_owner(ctx)
    refuse_undeclared(request)
    name = None if request.name is UNSET else _name(request.name)
    filters = None if request.filters is UNSET else _filters(request.filters)
    if name is None and filters is None:
        raise InvalidRequest("Expected `name` or `filters`: there is nothing to change.")
    id = text(request.filter_id, param="filter_id")
    return _there(await ctx.saved_filters.change(id, name=name, filters=filters, call=ctx.call))


@function("DELETE", "/saved_filters/{filter_id}", access=Access.FILTERS_WRITE)
async def delete(request: SavedFilterDeleteRequest, ctx: SavedFilterContext) -> SavedFilter:
    """Delete a saved filter of one's own."""
    _check_owner(ctx)
    refuse_undeclared(request)
    id = text(request.filter_id, param="filter_id")
    return _there(await ctx.saved_filters.remove(id, call=ctx.call))


def _check_owner(ctx: SavedFilterContext) -> None:
    """Filters are kept by user id, and a key may have the master key's. Raises NotAllowed for such a key."""
    if ctx.call.caller.has_masters_name:
        raise NotAllowed(MASTERS)


def _there(saved: SavedFilter | None) -> SavedFilter:
    if saved is None:
        raise NotFound(NO_SUCH, param="filter_id")
    return saved


def _word(value: str, *, param: str) -> str:
    if not _WORD.fullmatch(value):
        raise InvalidRequest(
            f"{param}: expected a word of at most 40 small letters, digits, `_` and `-`, such as `activity`.",
            param=param,
        )
    return value


def _name(value: str) -> str:
    """The name without blanks around it, in the normal form NFC: an accented letter can be one code point or
    two, and looks the same. Raises InvalidRequest."""
    name = text(unicodedata.normalize("NFC", value.strip()), param="name")
    if len(name) > MAX_NAME_CHARS:
        raise InvalidRequest(f"name: expected at most {MAX_NAME_CHARS} characters.", param="name")
    return name


def _filters(values: dict[str, str]) -> dict[str, str]:
    if not 0 < len(values) <= MAX_FIELDS:
        raise InvalidRequest(f"filters: expected 1 to {MAX_FIELDS} of them.", param="filters")
    for name, value in values.items():
        _word(name, param="filters")
        param = f"filters.{name}"
        if not value or len(value) > MAX_VALUE_CHARS or any(ord(char) < 32 for char in value):
            raise InvalidRequest(
                f"{param}: expected 1 to {MAX_VALUE_CHARS} characters, none of them a control character.",
                param=param,
            )
    return values
