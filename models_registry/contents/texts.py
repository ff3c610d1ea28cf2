"""The texts of one request or answer: to be read by somebody, and to be put back where they were changed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from models_registry.contents.leaves import (
    TOKENIZED,
    Kind,
    Leaf,
    TooDeep,
    has_tokens,
    leaves,
    names,
    put_in_file,
    text_of_file,
    without_repeated,
)

UNREAD_FIELDS = frozenset({"model", "tools", "metadata"})
"""Fields of a request whose texts no guardrail is asked about. `tools` are shown to it whole; `metadata` go
out only where the provider stores the answer, and are read then."""


_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)
"""The strings in JSON, each with the colon that makes it the name of a field."""


class Unreadable(Exception):
    """What was to be read is no JSON, or is nested too deep. The message says which, in words that fit behind
    "it"."""


class Repeated(Unreadable):
    """A field stands twice in one mapping: which one counts is another one for each reader."""


class _ReadText(NamedTuple):
    field: str
    leaf: Leaf
    text: str

    def put(self, text: str) -> None:
        if self.leaf.kind is Kind.FILE:
            put_in_file(self.leaf, text)
        else:
            self.leaf.put(text)


class RequestTexts:
    """The texts of a request's fields."""

    def __init__(self, fields: Mapping[str, msgspec.Raw], unread: frozenset[str] = UNREAD_FIELDS) -> None:
        """`unread` names the fields that are left out. Raises Unreadable."""
        self._fields = fields
        self._values: dict[str, Any] = {}  # JSON has values of any type
        self._found: list[_ReadText] = []
        self.files: list[Leaf] = []
        """The files in the request, and the names of some that stand elsewhere."""
        self._holders: list[str] = []
        """The field of each of them."""
        self.tokens = ""
        """The field that has a text as the numbers of its tokens. Empty: none has."""
        stored = bytes(fields.get("store", b"")) == b"true"
        for name, raw in fields.items():
            if name in unread and not (name == "metadata" and stored):
                continue
            if name not in TOKENIZED and b'"' not in bytes(raw):
                continue
            value = self._values[name] = {name: decoded_once(raw)}
            if has_tokens(name, value[name]):
                self.tokens = name
            for leaf in walked(value):
                if leaf.is_read:
                    self._found.append(_ReadText(name, leaf, leaf.text))
                elif leaf.kind is Kind.FILE:
                    self.files.append(leaf)
                    self._holders.append(name)
                    if text := text_of_file(leaf):
                        self._found.append(_ReadText(name, leaf, text))

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self._found]

    def changed(
        self, texts: Sequence[str], files: Sequence[str] | None = None
    ) -> dict[str, msgspec.Raw] | None:
        """The fields with these texts in place of those that were found, one for each, and with these files.
        None: nothing is changed."""
        touched: set[str] = set()
        for field, leaf, file in zip(self._holders, self.files, files or (), strict=bool(files)):
            if file != leaf.text:
                leaf.put(file)
                touched.add(field)
        for found, text in reversed(list(zip(self._found, texts, strict=True))):
            if text != found.text:
                found.put(text)
                touched.add(found.field)
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
        self._found = [leaf for leaf in walked(self._value) if leaf.is_read]

    @property
    def texts(self) -> list[str]:
        return [leaf.text for leaf in self._found]

    def changed(self, texts: Sequence[str]) -> bytes | None:
        """The answer with these texts in place of those that were found. None: nothing is changed."""
        touched = False
        for leaf, text in reversed(list(zip(self._found, texts, strict=True))):
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
    except RecursionError as exc:
        raise Unreadable("is nested too deep") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Unreadable("is no JSON that can be read") from exc


def decoded_once(data: bytes | msgspec.Raw) -> Any:  # likewise
    """The same for what somebody sent who may want to be read in two ways. Raises Repeated, too."""
    value = decoded(data)
    told = sum(1 for colon in _STRINGS.findall(bytes(data)) if colon)
    if told and told != sum(1 for _ in names(value)):
        raise Repeated("has a field twice in one object, and readers take different ones")
    return value


def walked(value: Any) -> list[Leaf]:  # any JSON
    """Raises Unreadable."""
    try:
        return list(leaves(value))
    except TooDeep as exc:
        raise Unreadable("is nested too deep") from exc
