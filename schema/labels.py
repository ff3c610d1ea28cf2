"""What a call says of itself, and who it is for: request tags, a session, a trace, what the client wants to
find in the row, and the customer. LiteLLM's names.

Tags: `x-litellm-tags` (a comma list), `tags` and `metadata.tags` of the body; all of them count. Session: the
first of `x-litellm-session-id`, `litellm_session_id` of the body, `metadata.session_id`, another header whose
name ends in `-session-id`, and the trace. Trace: `x-litellm-trace-id`, `litellm_trace_id` of the body,
`metadata.trace_id`. What is kept in the row: `x-litellm-spend-logs-metadata` (JSON),
`metadata.spend_logs_metadata`. Customer: `x-litellm-customer-id`, `x-litellm-end-user-id`, the headers that
the config names, `user` of the body, `metadata.user_id`, `litellm_metadata.user`. Two different customers are
refused, since the budget and the block of one of them would not hold.

`litellm_metadata` counts after `metadata`. Each of the two may be a text that holds the object as JSON. Tags,
sessions and traces are texts for people: what can't be read as such is refused by name, since a report that
misses calls misleads. The rest of `metadata` is the caller's own, of any shape. None of it leaves with a
call, but for the texts of an answer that OpenAI is asked to store.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from schema.errors.requests import InvalidRequest

MAX_TAGS = 100
MAX_CHARS = 256
TAGS_HEADER = "x-litellm-tags"
SESSION_HEADER = "x-litellm-session-id"
SESSION_SUFFIX = "-session-id"
"""Clients name their sessions in headers such as `x-claude-code-session-id`."""
TRACE_HEADER = "x-litellm-trace-id"
KEPT_HEADER = "x-litellm-spend-logs-metadata"
TAGS_FIELD = "tags"
SESSION_FIELD = "litellm_session_id"
TRACE_FIELD = "litellm_trace_id"
KEPT_FIELD = "spend_logs_metadata"
METADATA_FIELD = "metadata"
OWN_METADATA_FIELD = "litellm_metadata"
METADATA_FIELDS = (METADATA_FIELD, OWN_METADATA_FIELD)
CUSTOMER_HEADERS = ("x-litellm-customer-id", "x-litellm-end-user-id")
CUSTOMER_FIELD = "user"
CUSTOMER_INSIDE = ((METADATA_FIELD, "user_id"), (OWN_METADATA_FIELD, "user"))
"""Where inside a body's metadata the customer is named."""
MAX_KEPT_BYTES = 8 * 1024
"""How much a client may have kept in a row."""
AGENT = "User-Agent: "
"""How a tag begins that names the client's program."""
MAX_STORED = 16
MAX_STORED_NAME_CHARS = 64
MAX_STORED_CHARS = 512
"""How much of metadata OpenAI keeps: https://platform.openai.com/docs/api-reference/chat/create#metadata"""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXTS = msgspec.json.Decoder(list[str])
_TEXT = msgspec.json.Decoder(str)
_NAMES: msgspec.json.Decoder[str | int] = msgspec.json.Decoder(str | int)
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class Labels(NamedTuple):
    tags: tuple[str, ...] = ()
    session_id: str | None = None
    trace_id: str | None = None
    kept: str = ""
    """What the client wants to find in the row, as JSON. Empty: nothing."""
    customer: str | None = None
    """The end user that the call is for."""


NONE = Labels()


def labels_of(
    headers: Mapping[str, str],
    fields: Mapping[str, msgspec.Raw],
    customer_headers: Sequence[str] = (),
) -> Labels:
    """The labels of a request. `headers` have lower-case names; `fields` are the body's fields as they came.
    `customer_headers` are the headers that the config names, in lower case. Raises InvalidRequest."""
    tags: list[str] = []
    kept = ""
    customer = _customer_of_headers(headers, customer_headers)
    if CUSTOMER_FIELD in fields:
        customer = _one(customer, _customer(fields[CUSTOMER_FIELD]), CUSTOMER_FIELD)
    if TAGS_HEADER in headers:
        tags += (tag for each in headers[TAGS_HEADER].split(",") if (tag := each.strip()))
        _check(tags, TAGS_HEADER)
    session_id = _named(headers, SESSION_HEADER)
    trace_id = _named(headers, TRACE_HEADER)
    if KEPT_HEADER in headers:
        kept = _kept(headers[KEPT_HEADER].encode(), KEPT_HEADER)
    session_id = _field(fields, SESSION_FIELD, session_id)
    trace_id = _field(fields, TRACE_FIELD, trace_id)
    for name in METADATA_FIELDS:
        if name in fields:
            inside = _inside(fields[name])
            tags += _listed(inside.get(TAGS_FIELD), f"{name}.{TAGS_FIELD}")
            session_id = session_id or _fitting(inside.get("session_id"))
            trace_id = trace_id or _fitting(inside.get("trace_id"))
            for place, customers_name in CUSTOMER_INSIDE:
                if place == name and customers_name in inside:
                    found = _customer(inside[customers_name])
                    customer = _one(customer, found, f"{name}.{customers_name}")
            if KEPT_FIELD in inside and not kept:
                kept = _kept(bytes(inside[KEPT_FIELD]), f"{name}.{KEPT_FIELD}")
    if TAGS_FIELD in fields:
        if _is_text(fields[TAGS_FIELD]):
            raise InvalidRequest(f"{TAGS_FIELD}: expected a list of texts.", param=TAGS_FIELD)
        tags += _listed(fields[TAGS_FIELD], TAGS_FIELD)
    session_id = session_id or _session_of_client(headers) or trace_id
    if not (tags or session_id or kept or customer):
        return NONE
    return Labels(together(tags), session_id, trace_id, kept, customer)


@lru_cache(maxsize=1024)
def agent_tags(user_agent: str | None) -> tuple[str, ...]:
    """The tags that name the client's program, as at LiteLLM: `User-Agent: OpenAI` and
    `User-Agent: OpenAI/Python 1.2`."""
    if not user_agent:
        return ()
    program, slash, _ = user_agent.partition("/")
    names = (program, user_agent) if slash and program else (user_agent,)
    return tuple(tag for name in names if _fits(tag := f"{AGENT}{name}"[:MAX_CHARS]))


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
    """The fields of metadata. Forms, and the clients that were written for them, send them as a text of
    JSON."""
    try:
        return _FIELDS.decode(_TEXT.decode(metadata) if _is_text(metadata) else metadata)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}  # whatever it is, it has no tags


def _customer_of_headers(headers: Mapping[str, str], configured: Sequence[str]) -> str | None:
    customer = None
    for name in (*CUSTOMER_HEADERS, *configured):
        if name in headers:
            customer = _one(customer, headers[name] or None, name)
    return customer


def _customer(raw: msgspec.Raw) -> str | None:
    """The customer that a value names: a text, or a number. Any other value names nobody."""
    try:
        return str(_NAMES.decode(raw)) or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _one(known: str | None, found: str | None, param: str) -> str | None:
    """The customer after one more place that may name it. Raises InvalidRequest for a second customer."""
    if known is not None and found is not None and known != found:
        raise InvalidRequest(
            f"{param}: the call names another customer too; name the same one everywhere, or one alone.",
            param=param,
        )
    return found if known is None else known


def _named(headers: Mapping[str, str], name: str) -> str | None:
    return _label(headers[name], name) if name in headers else None


def _field(fields: Mapping[str, msgspec.Raw], name: str, known: str | None) -> str | None:
    """The text of a body's field, where a header has not said it. It is checked all the same."""
    if name not in fields or bytes(fields[name]) == b"null":
        return known
    try:
        return known or _label(_TEXT.decode(fields[name]), name)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{name}: expected a text.", param=name) from exc


def _fitting(raw: msgspec.Raw | None) -> str | None:
    """A text inside metadata, where it can be a label."""
    text = None if raw is None else _text(raw)
    return text if text is not None and _fits(text) else None


def _session_of_client(headers: Mapping[str, str]) -> str | None:
    for name in headers:
        if name.endswith(SESSION_SUFFIX) and name.startswith("x-") and _fits(headers[name]):
            return headers[name]
    return None


def _kept(raw: bytes, param: str) -> str:
    """A value of any shape as JSON that Postgres can hold. Raises InvalidRequest."""
    if len(raw) > MAX_KEPT_BYTES:
        raise InvalidRequest(f"{param}: expected at most {MAX_KEPT_BYTES:,} bytes.", param=param)
    try:
        value = _ANYTHING.decode(raw)
        text = "" if value is None else msgspec.json.encode(_storable(value)).decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise InvalidRequest(f"{param}: expected JSON.", param=param) from exc
    return text


def _storable(value: Any) -> Any:  # a caller's own JSON
    """The value without NUL characters, which Postgres can't hold."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return value


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


def _label(text: str, param: str) -> str:
    if not _fits(text):
        raise InvalidRequest(f"{param}: expected 1 to {MAX_CHARS} printable characters.", param=param)
    return text


def _fits(text: str) -> bool:
    return 0 < len(text) <= MAX_CHARS and text.isprintable()
