"""From a row of the ledger's table to the record it was booked from."""

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
"""All that a row is read from."""
_METADATA = msgspec.json.Decoder(SpendMetadata)
_TAGS = msgspec.json.Decoder(tuple[str, ...])


class StoredRow(Protocol):
    """A row, from whichever driver."""

    def __getitem__(self, column: str) -> Any: ...  # its values are of the columns' own types


def spend_row(row: StoredRow) -> SpendRow:
    """A row of SELECTED."""
    request_id, metadata = row["request_id"], _metadata(row["metadata"])
    used, costs = metadata.usage_object, metadata.cost_breakdown
    values = [
        None if used is None else rare_of(used),
        () if costs is None else parts_of(costs),
        used is not None and used.input_reported,
        not is_earlier_id(request_id),
        None if metadata.held_cost is msgspec.UNSET else int(metadata.held_cost * NANO_PER_USD),
        row["litellm_call_id"] or request_id,
        "",
        (),
    ]
    for name, null, read in _READ:
        value = row[name]
        values.append(null if value is None else value if read is None else read(value))
    return msgspec.convert(_in_order(values), SpendRow)


def _metadata(text: str | None) -> SpendMetadata:
    """What a row's metadata says; nothing where it is not of this gateway's making."""
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
"""Each column that is read: what null stands for, and what makes a field's value of it."""
_MADE = (
    "rare", "cost_parts", "input_reported", "final", "held_nano", "call_id",
    "key_id", "charges",  # in no column that is read
)  # fmt: skip
_FOUND = (*_MADE, *(column.field for column in COLUMNS if column.field is not None))
_in_order = itemgetter(*map(_FOUND.index, SpendRow.__struct_fields__))
"""From the order of _FOUND to that of a row's fields, as in `schema.ledger.journal.row_of`."""
