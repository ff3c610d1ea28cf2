"""Makes the text that is stored of a request or an answer: it is redacted first and cut second. Pure.

A body that can't be read as JSON can't be redacted, so it is not stored.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from runtime.bodies.storage_policy import StoragePolicy

REDACTED = "[redacted]"
MAX_DEPTH = 200

_VALUE: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


class UnreadableBody(ValueError):
    """A body that can't be redacted: it is not JSON, or is nested too deeply."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The text that is stored. `truncated` says that the text was cut, so that it is no JSON any more, or
    that the body was too long and nothing of it is stored."""

    text: str | None = None
    truncated: bool = False


NOTHING = Kept()
TOO_LONG = Kept(truncated=True)


class Redactor:
    """Redacts what the policy names: the values of some fields, and text that matches a pattern. Both become
    `[redacted]`."""

    def __init__(self, policy: StoragePolicy) -> None:
        self._fields = frozenset(_plain(name) for name in policy.redacted_fields)
        self._patterns: Sequence[re.Pattern[str]] = policy.redacted_patterns
        self._max_bytes = policy.max_body_bytes

    def kept_of_fields(self, fields: Mapping[str, msgspec.Raw]) -> Kept:
        """What is stored of a body, given its top-level fields. Raises UnreadableBody."""
        return self.kept_of({name: value_of(bytes(raw)) for name, raw in fields.items()})

    def kept_of(self, value: object) -> Kept:
        """What is stored of decoded JSON. Raises UnreadableBody."""
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
        """A text, redacted. A text that is JSON itself, as the arguments of a tool call are, is redacted
        inside."""
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
    """The value of JSON. Raises UnreadableBody."""
    try:
        return _VALUE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise UnreadableBody("not JSON") from exc


def _plain(name: str) -> str:
    """A field's name as it is compared: `apiKey`, `api-key` and `API_KEY` all become `apikey`."""
    return name.lower().replace("_", "").replace("-", "")
