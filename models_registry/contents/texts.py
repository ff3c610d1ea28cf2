"""The texts of one request or answer: to be read by somebody, and to be put back where they were changed."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from models_registry.contents.leaves import Kind, Leaf, TooDeep, leaves, without_repeated

UNREAD_FIELDS = frozenset({"model", "tools", "metadata"})
"""Fields of a request whose texts no guardrail is asked about. `tools` are shown to it whole; `metadata` go
out only where the provider stores the answer, and are read then."""


class Unreadable(Exception):
    """What was to be read is no JSON, or is nested too deep."""


class RequestTexts:
    """The texts of a request's fields."""

    def __init__(self, fields: Mapping[str, msgspec.Raw], unread: frozenset[str] = UNREAD_FIELDS) -> None:
        """`unread` names the fields that are left out. Raises Unreadable."""
        self._fields = fields
        self._values: dict[str, Any] = {}  # JSON has values of any type
        self._found: list[tuple[str, Leaf]] = []
        self.files: list[Leaf] = []
        """The files in the request, and the names of some that stand elsewhere."""
        stored = bytes(fields.get("store", b"")) == b"true"
        for name, raw in fields.items():
            if (name in unread and not (name == "metadata" and stored)) or b'"' not in bytes(raw):
                continue
            value = self._values[name] = {name: decoded(raw)}
            for leaf in walked(value):
                if leaf.kind is Kind.TEXT and leaf.text:
                    self._found.append((name, leaf))
                elif leaf.kind is Kind.FILE:
                    self.files.append(leaf)

    @property
    def texts(self) -> list[str]:
        return [leaf.text for _, leaf in self._found]

    def changed(self, texts: Sequence[str]) -> dict[str, msgspec.Raw] | None:
        """The fields with these texts in place of those that were found, one for each. None: nothing is
        changed."""
        touched: set[str] = set()
        for (name, leaf), text in zip(self._found, texts, strict=True):
            if text != leaf.text:
                leaf.put(text)
                touched.add(name)
        if not touched:
            return None
        written = {name: msgspec.Raw(msgspec.json.encode(self._values[name][name])) for name in touched}
        return {name: written.get(name, raw) for name, raw in self._fields.items()}


class AnswerTexts:
    """The texts of a whole answer."""

    def __init__(self, body: bytes) -> None:
        """Raises Unreadable."""
        self._body = body
        self._value = decoded(body)
        self._found = [leaf for leaf in walked(self._value) if leaf.kind is Kind.TEXT and leaf.text]

    @property
    def texts(self) -> list[str]:
        return [leaf.text for leaf in self._found]

    def changed(self, texts: Sequence[str]) -> bytes | None:
        """The answer with these texts in place of those that were found. None: nothing is changed."""
        touched = False
        for leaf, text in zip(self._found, texts, strict=True):
            if text != leaf.text:
                leaf.put(text)
                touched = True
        if not touched:
            return None
        without_repeated(self._value)
        return msgspec.json.encode(self._value)


def decoded(data: bytes | msgspec.Raw) -> Any:  # JSON has values of any type
    """Raises Unreadable."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Unreadable from exc


def walked(value: Any) -> list[Leaf]:  # any JSON
    """Raises Unreadable."""
    try:
        return list(leaves(value))
    except TooDeep as exc:
        raise Unreadable from exc
