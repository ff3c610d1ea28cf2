"""From what was asked and answered to the text that is kept of it: redacted first, then cut. Pure.

Whatever can't be read as JSON is not kept at all, since it can't be redacted.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from runtime.bodies.storage_policy import StoragePolicy

REDACTED = "[redacted]"
MAX_DEPTH = 200

_VALUE: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


class UnreadableBody(ValueError):
    """No JSON that could be redacted."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Text for the table. `truncated`: it was cut, and is no JSON any more; or it was too long to be looked
    at, and is not kept."""

    text: str | None = None
    truncated: bool = False


NOTHING = Kept()
TOO_LONG = Kept(truncated=True)


class Redactor:
    """Leaves out what the policy names: values of fields, and text that fits a pattern."""

    def __init__(self, policy: StoragePolicy) -> None:
        self._fields = frozenset(_plain(name) for name in policy.redacted_fields)
        self._patterns: Sequence[re.Pattern[str]] = policy.redacted_patterns
        self._max_bytes = policy.max_body_bytes

    def kept_of_fields(self, fields: Mapping[str, msgspec.Raw]) -> Kept:
        """What is kept of a body that is given by its top-level fields. Raises UnreadableBody."""
        return self.kept_of({name: value_of(bytes(raw)) for name, raw in fields.items()})

    def kept_of(self, value: object) -> Kept:
        """What is kept of decoded JSON. Raises UnreadableBody."""
        try:
            data = msgspec.json.encode(self._clean(value, 0))
        except RecursionError as exc:
            raise UnreadableBody("nested too deeply") from exc
        if len(data) <= self._max_bytes:
            return Kept(text=data.decode())
        return Kept(text=data[: self._max_bytes].decode(errors="ignore"), truncated=True)

    def _clean(self, value: object, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise UnreadableBody("nested too deeply")
        if isinstance(value, dict):
            return {
                self._text(name, depth): REDACTED
                if _plain(name) in self._fields
                else self._clean(each, depth + 1)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self._clean(each, depth + 1) for each in value]
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        return REDACTED if any(pattern.search(str(value)) for pattern in self._patterns) else value

    def _text(self, text: str, depth: int) -> str:
        """A tool call's arguments are JSON inside text."""
        if text[:1] in ("{", "["):
            try:
                inside = value_of(text.encode())
            except (UnreadableBody, UnicodeEncodeError):
                pass
            else:
                clean = self._clean(inside, depth + 1)
                text = text if clean == inside else msgspec.json.encode(clean).decode()
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text


def value_of(data: bytes) -> object:
    """Raises UnreadableBody."""
    try:
        return _VALUE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise UnreadableBody("not JSON") from exc


def _plain(name: str) -> str:
    """`apiKey`, `api-key` and `API_KEY` are one."""
    return name.lower().replace("_", "").replace("-", "")
