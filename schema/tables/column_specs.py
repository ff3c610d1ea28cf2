"""The words migrations are written in. A word, once used by a migration, never changes its meaning."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import (
    JSONB,
    Array,
    BigInt,
    Boolean,
    Bytea,
    Column,
    Date,
    Integer,
    Numeric,
    Text,
    Timestamp,
    Timestamptz,
)

Spec = tuple[type[Column], dict[str, Any]]

KEY: Spec = (Text, {"primary_key": True, "default": None})
TEXT: Spec = (Text, {"default": None})
BLANK: Spec = (Text, {"default": ""})
OPTIONAL: Spec = (Text, {"default": None, "null": True})
OPTIONAL_BLANK: Spec = (Text, {"default": "", "null": True})
TEXTS: Spec = (Array, {"default": list, "base_column": Text()})
DOLLARS: Spec = (Numeric, {"default": Decimal("0")})
OBJECT: Spec = (JSONB, {"default": "{}"})
TIME: Spec = (Timestamp, {"default": None})
OPTIONAL_TIME: Spec = (Timestamp, {"default": None, "null": True})
COUNT: Spec = (BigInt, {"default": 0})
OPTIONAL_COUNT: Spec = (BigInt, {"default": None, "null": True})
FLAG: Spec = (Boolean, {"default": False})
OPTIONAL_FLAG: Spec = (Boolean, {"default": None, "null": True})
WHOLE: Spec = (Integer, {"default": 0})
OPTIONAL_WHOLE: Spec = (Integer, {"default": None, "null": True})
OPTIONAL_DOLLARS: Spec = (Numeric, {"default": None, "null": True})
LIST: Spec = (JSONB, {"default": "[]"})
OPTIONAL_JSON: Spec = (JSONB, {"default": None, "null": True})
REQUIRED_COUNT: Spec = (BigInt, {"default": None})
MOMENT: Spec = (Timestamptz, {"default": None})
OPTIONAL_MOMENT: Spec = (Timestamptz, {"default": None, "null": True})
OPTIONAL_DATE: Spec = (Date, {"default": None, "null": True})
BYTES: Spec = (Bytea, {"default": None})
COUNTS: Spec = (Array, {"default": list, "base_column": BigInt()})
UNIQUE_TEXT: Spec = (Text, {"default": None, "unique": True})

_NOTHING: Mapping[str, str] = MappingProxyType({})


def add_columns(
    manager: MigrationManager,
    class_name: str,
    tablename: str,
    columns: Mapping[str, Spec],
    *,
    renamed: Mapping[str, str] = _NOTHING,
) -> None:
    """Have the migration add these columns. `renamed`: attribute to column, where they differ."""
    for name, (column_class, params) in columns.items():
        manager.add_column(
            table_class_name=class_name,
            tablename=tablename,
            column_name=name,
            db_column_name=renamed.get(name, name),
            column_class=column_class,
            params={**params, "db_column_name": renamed.get(name)},
        )
