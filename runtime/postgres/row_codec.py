"""Turns rows of a Piccolo table into records of `schema`, and back. The names are the same, and some types
differ.

A timestamp column without a time zone holds UTC; a record has a time with its zone. A JSON column holds text;
a record has the type that its field declares.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec
from piccolo.columns import JSON, JSONB, Column, Timestamp
from piccolo.table import Table

from schema.tables import aware, naive
from schema.wire import to_json

log = logging.getLogger(__name__)
R = TypeVar("R", bound=msgspec.Struct)


class RowCodec(Generic[R]):
    """The codec of one table and its record type. It is made once."""

    def __init__(self, table: type[Table], record: type[R]) -> None:
        self.table = table
        self.record = record
        hints = get_type_hints(record)
        self.columns: dict[str, Column] = {
            column._meta.name: column for column in table._meta.columns if column._meta.name in hints
        }
        self._json: dict[str, msgspec.json.Decoder[Any]] = {  # each of its field's own type
            name: msgspec.json.Decoder(hints[name])
            for name, column in self.columns.items()
            if isinstance(column, (JSON, JSONB))
        }

    def decode(self, row: Mapping[str, Any]) -> R:
        """The record of a row, as Piccolo gives the row. JSON that does not fit the field's type is left out,
        with a warning in the log, so that the row can still be seen and repaired. (A key with such JSON is
        refused: `runtime/identity/authority.py`.)"""
        values: dict[str, Any] = {}
        for name in self.columns:
            value = row[name]
            if value is not None and name in self._json:
                try:
                    value = self._json[name].decode(value)
                except msgspec.ValidationError as exc:  # SQL can write what the API refuses
                    log.warning("%s.%s of a row can't be read: %s", self.table._meta.tablename, name, exc)
                    continue
            elif isinstance(value, datetime) and value.tzinfo is None:
                value = aware(value)
            values[name] = value
        return self.record(**values)

    def encode(self, values: Mapping[str, object]) -> dict[Column | str, Any]:
        """The values of a record's fields in the form that the columns take."""
        return {name: self._encoded(name, value) for name, value in values.items()}

    def _encoded(self, name: str, value: object) -> object:
        if value is not None and name in self._json:
            return to_json(value).decode()
        if isinstance(value, datetime) and isinstance(self.columns[name], Timestamp):
            return naive(value)
        return value
