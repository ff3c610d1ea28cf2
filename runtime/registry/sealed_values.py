"""Seals the values of stored models and credentials, one by one, under the salt key.

Everything is sealed but the few parameters of `PLAIN`, so that a parameter that nobody thought of is not
stored as it is. A sealed value is a text of three parts: `sealed:<id of the salt key>:<base64>`. Table, row
and parameter are bound to it, so that it can't be moved to another place.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

import msgspec

from models_registry.config.storable import Values
from runtime.state.sealing import CantOpen, Sealer

MARK = "sealed:"
PLAIN = frozenset(
    (
        *("model", "custom_llm_provider", "litellm_credential_name", "rpm", "tpm", "weight", "order"),
        *("timeout", "stream_timeout", "num_retries", "max_retries", "max_parallel_requests", "drop_params"),
    )
)
"""Parameters that are stored as they are, so that SQL can find a model."""


class Opened(NamedTuple):
    """The values of a row. Those that can't be opened stay as they are stored until somebody sends them
    again."""

    values: dict[str, Any]
    unread: frozenset[str] = frozenset()
    """The names of the values that can't be opened."""
    flaw: str = ""
    """Why the first of them can't be opened."""


def seal_values(values: Values, sealer: Sealer, *, table: str, row: str) -> dict[str, Any]:
    """The values as they are stored."""
    return {name: _sealed(name, value, sealer, table, row) for name, value in values.items()}


def open_values(values: Values, sealer: Sealer | None, *, table: str, row: str) -> Opened:
    """The values that were sealed. One can't be opened where the salt key is another one, or there is none,
    or where it was changed or moved."""
    opened: dict[str, Any] = {}
    flaws: dict[str, str] = {}
    for name, value in values.items():
        try:
            opened[name] = _opened(name, value, sealer, table, row)
        except CantOpen as exc:
            flaws[name] = str(exc)
    return Opened(opened, frozenset(flaws), next(iter(flaws.values()), ""))


def _sealed(name: str, value: object, sealer: Sealer, table: str, row: str) -> object:
    if value is None or isinstance(value, bool) or name in PLAIN:
        return value
    sealed = sealer.seal(msgspec.json.encode(value), kind=table, owner=row, id=name)
    return f"{MARK}{sealer.id}:{urlsafe_b64encode(sealed).decode()}"


def _opened(name: str, value: object, sealer: Sealer | None, table: str, row: str) -> object:
    if not isinstance(value, str) or not value.startswith(MARK):
        return value
    salt_id, _, text = value.removeprefix(MARK).partition(":")
    if sealer is None:
        raise CantOpen(f"{name} is sealed under the salt key {salt_id[:20]}, and this gateway has none")
    if salt_id != sealer.id:
        raise CantOpen(
            f"{name} is sealed under the salt key {salt_id[:20]}, and this gateway has {sealer.id}"
        )
    try:
        opened = sealer.open(urlsafe_b64decode(text), kind=table, owner=row, id=name)
        return msgspec.json.decode(opened)
    except (CantOpen, binascii.Error, msgspec.DecodeError, ValueError) as exc:
        raise CantOpen(f"{name} was changed, or belongs to another row") from exc
