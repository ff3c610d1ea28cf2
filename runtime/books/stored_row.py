"""Makes a SpendRow of a row of the ledger's table: the way back from what `insert.py` stores."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from schema.ledger.columns import COLUMNS
from schema.ledger.rows import SpendRow, is_earlier_id
from schema.ledger.spend_metadata import SpendMetadata, parts_of, rare_of
from schema.money import NANO_PER_USD
from schema.tables import aware

SELECTED = ", ".join(
    f'"{column.name}"'
    for column in COLUMNS
    if column.field is not None or column.name in ("metadata", "litellm_call_id")
)
"""The columns that `spend_row` needs, as SQL."""
_METADATA = msgspec.json.Decoder(SpendMetadata)
_TAGS = msgspec.json.Decoder(tuple[str, ...])


class StoredRow(Protocol):
    """A row of the ledger's table, from any driver."""

    def __getitem__(self, column: str) -> Any: ...  # each column has values of its own type


def spend_row(row: StoredRow) -> SpendRow:
    """The SpendRow of a row that has the columns SELECTED."""
    request_id, metadata = row["request_id"], _metadata(row["metadata"])
    used, costs = metadata.usage_object, metadata.cost_breakdown
    values = [
        None if used is None else rare_of(used),
        () if costs is None else parts_of(costs),
        used is not None and used.input_reported,
        not is_earlier_id(request_id),
        None if metadata.held_cost is msgspec.UNSET else int(metadata.held_cost * NANO_PER_USD),
        row["litellm_call_id"] or request_id,
        metadata.trace_id or None,
        _text_of(metadata.spend_logs_metadata),
        "" if metadata.local_only is msgspec.UNSET else metadata.local_only,
        _text_of(metadata.route),
        _text_of(metadata.guardrail_information),
        0 if metadata.cache_saved is msgspec.UNSET else int(metadata.cache_saved * NANO_PER_USD),
        "",
        (),
    ]
    for name, null, read in _READ:
        value = row[name]
        values.append(null if value is None else value if read is None else read(value))
    return msgspec.convert(_in_order(values), SpendRow)


def _text_of(kept: object) -> str:
    return "" if kept is msgspec.UNSET else msgspec.json.encode(kept).decode()


def _metadata(text: str | None) -> SpendMetadata:
    """The row's metadata. It is empty where the row has none, or where something else than this gateway wrote
    it."""
    try:
        return _METADATA.decode(text or "{}")
    except msgspec.DecodeError:
        return SpendMetadata()


def _tags(stored: str) -> tuple[str, ...]:
    if stored == "[]":
        return ()
    try:
        return _TAGS.decode(stored)
    except msgspec.ValidationError:
        return ()  # SQL wrote something else there


_READ_TYPE: Mapping[str, Callable[[Any], object]] = MappingProxyType({"timestamp": aware, "jsonb": _tags})
_READ = tuple(
    (column.name, column.null, column.read or _READ_TYPE.get(column.sql_type))
    for column in COLUMNS
    if column.field is not None
)
"""Each column that is read: its name, the field's value for null, and the function that makes the field's
value of another value."""
_MADE = (
    "rare", "cost_parts", "input_reported", "final", "held_nano", "call_id",
    "trace_id", "spend_logs_metadata", "stays_local", "route", "guardrails", "cache_saved_nano",
    "key_id", "charges",  # these are in no column that is read
)  # fmt: skip
_FOUND = (*_MADE, *(column.field for column in COLUMNS if column.field is not None))
_in_order = itemgetter(*map(_FOUND.index, SpendRow.__struct_fields__))
"""Puts values from the order of _FOUND into the order of SpendRow's fields."""
