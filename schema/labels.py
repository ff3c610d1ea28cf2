"""What a call is labelled with for reports: request tags and a session. LiteLLM's names.

Tags: `x-litellm-tags` (a comma list), `tags` and `metadata.tags` of the body. Session:
`x-litellm-session-id`, `litellm_session_id` of the body, `session_id` or `trace_id` of its metadata,
`litellm_trace_id` of the body. All are texts for people: what can't be read as such is refused by name, since
a report that misses calls misleads. The rest of `metadata` is the caller's own, of any shape. None of it
leaves with a call, but for the texts of an answer that OpenAI is asked to store.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from schema.errors import InvalidRequest

MAX_TAGS = 100
MAX_CHARS = 256
TAGS_HEADER = "x-litellm-tags"
SESSION_HEADER = "x-litellm-session-id"
TAGS_FIELD = "tags"
SESSION_FIELD = "litellm_session_id"
TRACE_FIELD = "litellm_trace_id"
METADATA_FIELD = "metadata"
OWN_METADATA_FIELD = "litellm_metadata"
METADATA_FIELDS = (METADATA_FIELD, OWN_METADATA_FIELD)
SESSION_NAMES = ("session_id", "trace_id")
"""The names of a session inside `metadata`. The first one whose value is a text counts."""
MAX_STORED = 16
MAX_STORED_NAME_CHARS = 64
MAX_STORED_CHARS = 512
"""How much of metadata OpenAI keeps: https://platform.openai.com/docs/api-reference/chat/create#metadata"""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXTS = msgspec.json.Decoder(list[str])
_TEXT = msgspec.json.Decoder(str)


class Labels(NamedTuple):
    tags: tuple[str, ...] = ()
    session_id: str | None = None


NONE = Labels()


def labels_of(headers: Mapping[str, str], fields: Mapping[str, msgspec.Raw]) -> Labels:
    """The labels of a request. `headers` have lower-case names; `fields` are the body's fields as they came.
    Raises InvalidRequest."""
    tags: list[str] = []
    session_id = traced = None
    if TAGS_HEADER in headers:
        tags += (tag for each in headers[TAGS_HEADER].split(",") if (tag := each.strip()))
        _check(tags, TAGS_HEADER)
    if SESSION_HEADER in headers:
        session_id = _session(headers[SESSION_HEADER], SESSION_HEADER)
    for name in METADATA_FIELDS:
        if name in fields:
            inside = _inside(fields[name])
            tags += _listed(inside.get(TAGS_FIELD), f"{name}.{TAGS_FIELD}")
            traced = traced or _traced(inside)
    if TAGS_FIELD in fields:
        if _is_text(fields[TAGS_FIELD]):
            raise InvalidRequest(f"{TAGS_FIELD}: expected a list of texts.", param=TAGS_FIELD)
        tags += _listed(fields[TAGS_FIELD], TAGS_FIELD)
    if SESSION_FIELD in fields and bytes(fields[SESSION_FIELD]) != b"null":
        try:
            session_id = session_id or _session(_TEXT.decode(fields[SESSION_FIELD]), SESSION_FIELD)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise InvalidRequest(f"{SESSION_FIELD}: expected a text.", param=SESSION_FIELD) from exc
    if TRACE_FIELD in fields and not traced:
        text = _text(fields[TRACE_FIELD])
        traced = text if text is not None and _fits(text) else None
    session_id = session_id or traced
    return Labels(together(tags), session_id) if tags or session_id else NONE


def together(*groups: Iterable[str]) -> tuple[str, ...]:
    """The tags of all groups, each once, at most 100."""
    return tuple(dict.fromkeys(tag for group in groups for tag in group))[:MAX_TAGS]


def stored_tags(raw: msgspec.Raw) -> tuple[str, ...]:
    """The tags in the metadata of a key or team. SQL can write anything there: a value that is no list of
    texts gives no tags."""
    try:
        return together(tag for tag in _TEXTS.decode(raw) if _fits(tag))
    except msgspec.ValidationError:
        return ()


def stored_texts(metadata: msgspec.Raw) -> msgspec.Raw | None:
    """The part of a body's metadata that OpenAI keeps with a stored answer: texts, as many and as long as it
    takes. None where there are none."""
    texts: dict[str, msgspec.Raw] = {}
    for name, value in _inside(metadata).items():
        if len(texts) == MAX_STORED:
            break
        text = _text(value)
        if text is not None and len(name) <= MAX_STORED_NAME_CHARS and len(text) <= MAX_STORED_CHARS:
            texts[name] = value
    return msgspec.Raw(msgspec.json.encode(texts)) if texts else None


def _inside(metadata: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return _FIELDS.decode(metadata)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}  # whatever it is, it has no tags


def _traced(inside: Mapping[str, msgspec.Raw]) -> str | None:
    for name in SESSION_NAMES:
        text = _text(inside[name]) if name in inside else None
        if text is not None and _fits(text):
            return text
    return None


def _text(raw: msgspec.Raw) -> str | None:
    try:
        return _TEXT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_text(raw: msgspec.Raw) -> bool:
    """OpenAI's own metadata are texts by name, of the caller's own meaning."""
    return bytes(raw).startswith(b'"')


def _listed(raw: msgspec.Raw | None, param: str) -> list[str]:
    if raw is None or bytes(raw) == b"null" or _is_text(raw):
        return []
    try:
        tags = _TEXTS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{param}: expected a list of texts.", param=param) from exc
    _check(tags, param)
    return tags


def _check(tags: list[str], param: str) -> None:
    if len(tags) > MAX_TAGS or not all(map(_fits, tags)):
        raise InvalidRequest(
            f"{param}: expected at most {MAX_TAGS} tags of 1 to {MAX_CHARS} printable characters.",
            param=param,
        )


def _session(text: str, param: str) -> str:
    if not _fits(text):
        raise InvalidRequest(f"{param}: expected 1 to {MAX_CHARS} printable characters.", param=param)
    return text


def _fits(text: str) -> bool:
    return 0 < len(text) <= MAX_CHARS and text.isprintable()
