"""Finds every text in a JSON value, whichever surface the value belongs to.

Nothing is found by the name of a field, so that no field can be forgotten: each string is a text, unless it
is a word of the format (`"role": "user"`), a seal (a signature), or a file. Those are told by their field's
name and by their form together: a `role` of several words is a text. What a tool is called with as JSON has
no format: there each string and each number is a text. A name of a field that no format has is a text, too.
"""

import base64
import binascii
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
PLACES = frozenset({"url", "image_url", "file_url", "file_data", "data"})
"""Fields that may have a file as a data URI. Elsewhere such a URI is a text."""
REPEATED = frozenset({"logprobs", "top_logprobs"})
"""Fields that repeat an answer, token by token."""
TOKENIZED = frozenset({"prompt", "input"})
"""Fields of a request that may have a text as the numbers of its tokens."""
MAX_DEPTH = 200
_WORD = re.compile(r"[\w.:/+-]{0,128}", re.ASCII)
_SEALED = re.compile(r"[A-Za-z0-9+/=_-]*")
_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+){0,8};base64,[A-Za-z0-9+/=_\s-]*", re.IGNORECASE)
_NAMED = re.compile(r"[\w.$:/@-]{0,64}", re.ASCII)
"""What a name of a field is made of. A longer one, or one with a blank, is a text."""
_CALLED = "tool_use"
"""How the `type` of a tool's call ends whose `input` is JSON, such as `server_tool_use`."""
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

    @property
    def is_read(self) -> bool:
        """Whether it is a text that somebody reads: a text itself, or the name of a field."""
        return bool(self.text) and (self.kind is Kind.TEXT or self.kind is Kind.NAME)

    def put(self, text: str) -> None:
        """Put another text in its place. What stands in a field is put there before its name is changed."""
        if self.kind is not Kind.NAME:
            self.holder[self.key] = text
            return
        renamed = [(text if name == self.key else name, value) for name, value in self.holder.items()]
        self.holder.clear()
        self.holder.update(renamed)


class TooDeep(Exception):
    """A value is nested deeper than anything that is read here."""


def leaves(value: Any, path: Path = (), *, free: bool = False) -> Iterator[Leaf]:  # any JSON
    """The strings in a value, in their order. A place in a list is known by the `index` of what stands there,
    if it has one: so do the pieces of one text in a stream. `free`: the value has no format. Raises
    TooDeep."""
    if len(path) > MAX_DEPTH:
        raise TooDeep
    if isinstance(value, dict):
        yield from _in_mapping(value, path, free=free)
    elif isinstance(value, list):
        owner = path[-1] if path else ""
        for place, inner in enumerate(value):
            if isinstance(inner, str):
                kind, media_type = (Kind.TEXT, "") if free else _kind(str(owner), inner, {}, path[:-1])
                yield Leaf(kind, inner, value, place, (*path, place), media_type)
            elif isinstance(inner, (dict, list)):
                index = inner.get("index") if isinstance(inner, dict) else None
                known_as = index if isinstance(index, int) and not isinstance(index, bool) else place
                yield from leaves(inner, (*path, known_as), free=free)
            elif free and is_number(inner):
                yield Leaf(Kind.TEXT, str(inner), value, place, (*path, place))


def _in_mapping(value: dict[str, Any], path: Path, *, free: bool) -> Iterator[Leaf]:  # any JSON
    held = value.get("type")
    calls = isinstance(held, str) and held.endswith(_CALLED)
    for name, inner in value.items():
        if _NAMED.fullmatch(name) is None:
            yield Leaf(Kind.NAME, name, value, name, (*path, "", name))
        if isinstance(inner, str):
            kind, media_type = (Kind.TEXT, "") if free else _kind(name, inner, value, path)
            yield Leaf(kind, inner, value, name, (*path, name), media_type)
        elif isinstance(inner, (dict, list)):
            if free or name not in REPEATED:
                yield from leaves(inner, (*path, name), free=free or (calls and name == "input"))
        elif free and is_number(inner):
            yield Leaf(Kind.TEXT, str(inner), value, name, (*path, name))


def is_number(value: object) -> bool:
    """Whether a value of JSON is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def has_tokens(name: str, value: Any) -> bool:  # any JSON
    """Whether a field of a request has a text as the numbers of its tokens, which nobody here can read."""
    if name not in TOKENIZED or not isinstance(value, list):
        return False
    return any(is_number(each) or (isinstance(each, list) and any(map(is_number, each))) for each in value)


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


def is_data(text: str) -> bool:
    """Whether a string is a file as a data URI, wherever it stands."""
    return text[:5].lower() == "data:" and _DATA.fullmatch(text) is not None


def text_of_file(leaf: Leaf) -> str | None:
    """The text of a file that is one. None: it can't be read."""
    text, kind = leaf.text, leaf.media_type
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        kind = kind or head[5:].partition(";")[0].lower()
    if not kind.startswith("text/") and kind != "application/json":
        return None
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def put_in_file(leaf: Leaf, text: str) -> None:
    """Put another text in place of the text of a file."""
    head, comma, _ = leaf.text.partition(",") if leaf.text[:5].lower() == "data:" else ("", "", "")
    leaf.put(head + comma + base64.b64encode(text.encode()).decode("ascii"))


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
    data = _DATA.fullmatch(text) if name in PLACES and text[:5].lower() == "data:" else None
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
