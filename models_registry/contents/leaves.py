"""Finds every text in a JSON value, whichever surface the value belongs to.

Nothing is found by the name of a field, so that no field can be forgotten: each string is a text, unless it
is a word of the format (`"role": "user"`), a seal (a signature), or a file. Those are told by their field's
name and by their form together: a `role` of several words is a text.
"""

import enum
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

WORDS = (
    frozenset({"type", "role", "id", "object", "model", "status", "finish_reason", "stop_reason"})
    | {"native_finish_reason", "stop_sequence", "format", "detail", "media_type", "mime_type", "mimeType"}
    | {"tool_call_id", "tool_use_id", "call_id", "item_id", "response_id", "previous_response_id"}
    | {"system_fingerprint", "service_tier", "encoding", "file_type", "ttl", "phase", "event", "reason"}
    | {"code", "param", "effort", "summary_type", "truncation", "verbosity", "user"}
)
"""Fields whose values are words of a format or ids."""
SEALS = frozenset({"signature", "encrypted_content", "thought_signature", "thoughtSignature", "embedding"})
"""Fields whose values a provider sealed, or numbers in base64. No model reads them as a text."""
FILE_FIELDS = frozenset({"file_data", "bytes", "b64_json"})
"""Fields whose values are files in base64."""
REFERENCES = frozenset({"file_id", "file_url", "fileUri", "file_uri", "container_id", "vector_store_ids"})
"""Fields whose values name what stands elsewhere."""
ADDRESSED = frozenset({"image_url", "file_url", "url"})
"""Fields that may have the address of a file."""
REPEATED = frozenset({"logprobs", "top_logprobs"})
"""Fields that repeat an answer, token by token."""
MAX_DEPTH = 200
_WORD = re.compile(r"[\w.:/+-]{0,128}", re.ASCII)
_SEALED = re.compile(r"[A-Za-z0-9+/=_-]*")
_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+){0,8};base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?|gs|s3)://", re.IGNORECASE)
Path = tuple[str | int, ...]


class Kind(enum.Enum):
    """What a string is."""

    TEXT = "text"
    WORD = "word"
    """A word of the format, or an id."""
    FILE = "file"
    """A file, or where one stands."""
    SEAL = "seal"
    NAME = "name"
    """The name of a field that the format does not have: the arguments of a tool have any."""


class Leaf(NamedTuple):
    """A string, and where it stands: `holder[key]`."""

    kind: Kind
    text: str
    holder: Any  # the list or mapping of JSON that has it
    key: str | int
    path: Path
    media_type: str = ""
    """The media type of a file, where it is told."""

    def put(self, text: str) -> None:
        """Put another text in its place."""
        self.holder[self.key] = text


class TooDeep(Exception):
    """A value is nested deeper than anything that is read here."""


def leaves(value: Any, path: Path = ()) -> Iterator[Leaf]:  # any JSON
    """The strings in a value, in their order. A place in a list is known by the `index` of what stands there,
    if it has one: so do the pieces of one text in a stream. Raises TooDeep."""
    if len(path) > MAX_DEPTH:
        raise TooDeep
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in REPEATED and not isinstance(inner, str):
                continue
            if isinstance(inner, str):
                kind, media_type = _kind(name, inner, value, path)
                yield Leaf(kind, inner, value, name, (*path, name), media_type)
            elif isinstance(inner, (dict, list)):
                yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        owner = path[-1] if path else ""
        for place, inner in enumerate(value):
            if isinstance(inner, str):
                kind, media_type = _kind(str(owner), inner, {}, path[:-1])
                yield Leaf(kind, inner, value, place, (*path, place), media_type)
            elif isinstance(inner, (dict, list)):
                index = inner.get("index") if isinstance(inner, dict) else None
                known_as = index if isinstance(index, int) and not isinstance(index, bool) else place
                yield from leaves(inner, (*path, known_as))


def without_repeated(value: Any) -> None:  # any JSON
    """Take out what repeats an answer token by token."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in REPEATED and not isinstance(inner, str):
                value[name] = None
            else:
                without_repeated(inner)
    elif isinstance(value, list):
        for inner in value:
            without_repeated(inner)


def names(value: Any) -> Iterator[str]:  # any JSON
    """The names of all fields in a value."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def _kind(name: str, text: str, holder: Any, path: Path) -> tuple[Kind, str]:
    if name in WORDS and _WORD.fullmatch(text):
        return Kind.WORD, ""
    data = _DATA.match(text) if text[:5].lower() == "data:" else None
    if data is not None:
        return Kind.FILE, (data[1] or "").lower()
    if name in SEALS and _SEALED.fullmatch(text):
        return Kind.SEAL, ""
    if name in REFERENCES and _WORD.fullmatch(text):
        return Kind.FILE, ""
    if _is_file(name, text, holder, path):
        said = holder.get("media_type") or holder.get("mime_type") or holder.get("mimeType") or ""
        return Kind.FILE, said.lower() if isinstance(said, str) else ""
    return Kind.TEXT, ""


def _is_file(name: str, text: str, holder: Any, path: Path) -> bool:
    owner = path[-1] if path else ""
    if name in FILE_FIELDS and len(text) > 64 and _SEALED.fullmatch(text):
        return True
    if name == "data":
        if holder.get("type") == "redacted_thinking":
            return False
        is_base64 = holder.get("type") == "base64" or owner in ("input_audio", "inline_data", "inlineData")
        return is_base64 and _SEALED.fullmatch(text) is not None
    if name in ADDRESSED and _ADDRESS.match(text):
        held = holder.get("type")
        return owner in ("image_url", "source") or held in ("input_image", "input_file", "image_url", "url")
    return False
