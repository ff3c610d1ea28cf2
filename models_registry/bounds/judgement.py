"""What the fields of one chat request do to its cost, by the tables of
`models_registry/bounds/field_costs.py`.

The fields judged are those that go to the provider: the caller's, and the deployment's own parameters where
the caller sent none.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import msgspec

from models_registry.backends.parameters import LIMITS, is_litellms
from models_registry.backends.search import unpriced_search
from models_registry.bounds.field_costs import (
    EMBEDDINGS,
    MESSAGE_FIELDS,
    OFF,
    PART_FIELDS,
    PART_KINDS,
    TOOL_FIELDS,
    TOOL_KINDS,
    Adds,
    Does,
    FieldRule,
    Members,
    Only,
    Table,
    table_of,
)
from models_registry.target import Target
from schema.chat import ImageUrl
from schema.wire import repeats_a_key

T = TypeVar("T")
Fields = Mapping[str, msgspec.Raw]
MAX_COUNT = 2**31 - 1
MAX_DIGITS = 10
TIERS = (b'"auto"', b'"default"', b'"flex"', b'"on_demand"', b'"standard_only"', b"null")
"""Values of `service_tier` that need no rates of their own: the standard tier, a cheaper one, or the
provider's choice, which its answer names."""

LIMIT, LENGTHENS, BESIDE, THINKS = Does.LIMIT, Does.LENGTHENS, Does.BESIDE, Does.THINKS
ENDLESS = -1
"""A budget for thinking that bounds nothing: -1 leaves the length to the model (Gemini, llama.cpp)."""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LISTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_COUNTS = msgspec.json.Decoder(int)
_TEXTS = msgspec.json.Decoder(str)
_IMAGES = msgspec.json.Decoder(ImageUrl | str)
UNFORCED = (b'"auto"', b'"none"')
"""Choices of a tool that force none."""


class Unbounded(NamedTuple):
    """A field or a part of a request that has no known bound."""

    path: str
    """Its place in the request: `messages[0].content[1].file`."""
    name: str
    """Its name in the config's `free_params`: `messages.content.file`."""


class Judged(msgspec.Struct, gc=False):
    """What the top-level fields of a request do. Counts are tokens unless their names say otherwise."""

    limit: int | None = None
    """The largest limit of one answer that was sent."""
    at_least: int = 0
    """The tokens that one answer may have whatever the limit is."""
    beside: int = 0
    thinks_beside: bool = False
    """Whether thinking comes beside the limit. `beside` bounds it where the request has a budget for it."""
    answers: int = 1
    runs_on: bool = False
    text_bytes: int = 0
    has_schema: bool = False
    added: int = 0
    """The tokens of texts that the provider adds."""
    unbounded: Unbounded | None = None
    """The first field without a known bound."""
    forwards_unknown: bool = False
    """Whether unknown fields go on to a provider of any dialect."""


def sent_fields(fields: Fields, target: Target) -> Fields:
    """The fields that go to the provider: the caller's, and the deployment's parameters where the caller sent
    none. `add_defaults` merges them in the same way for the request itself."""
    params = target.params
    if not params:
        return fields
    if any(name in fields and bytes(fields[name]) != b"null" for name in LIMITS):
        params = {name: raw for name, raw in params.items() if name not in LIMITS}
    sent = {**params, **fields}
    for name in params.keys() & fields.keys():
        if bytes(fields[name]) == b"null":
            sent[name] = params[name]
    return sent


def judge(fields: Fields, target: Target) -> Judged:
    """Judge the top-level fields. `unbounded_content` judges what is inside messages and tools."""
    judged = Judged()
    if target.is_agent and "model" not in target.free_params:
        judged.unbounded = Unbounded("model", "model")
    _judge(fields, table_of(target), target, judged)
    return judged


def judge_native(fields: Fields, table: Table, target: Target) -> Judged:
    """Judge the top-level fields of a request on the byte path of a surface, where unknown fields go on."""
    judged = Judged(forwards_unknown=True)
    if target.is_agent and "model" not in target.free_params:
        judged.unbounded = Unbounded("model", "model")
    _judge(fields, table, target, judged)
    return judged


def judge_embeddings(fields: Fields, target: Target) -> Unbounded | None:
    """The first field of an embeddings request without a known bound. None: there is no such field."""
    judged = Judged()
    _judge(fields, EMBEDDINGS, target, judged)
    return judged.unbounded


def _judge(fields: Fields, table: Table, target: Target, judged: Judged, inside: str = "") -> None:
    free = target.free_params
    for name in [name for name in fields if name not in table.idle]:
        rule, path, text = table.rules.get(name), inside + name, bytes(fields[name])
        if text in OFF or (free and path in free):
            continue
        if rule is None and not inside and is_litellms(name):
            continue  # it is taken out
        if rule is None:
            fits = not (judged.forwards_unknown or target.dialect.facts.forwards_unknown)
            judged.text_bytes += 0 if fits else len(text)
        elif name in table.numbers:
            fits = _counts(rule, text, judged)
        elif isinstance(rule, Does):
            fits = _weighs(rule, text, judged)
        else:
            fits = _is_known(rule, text, target, judged, path)
        if not fits and judged.unbounded is None:
            judged.unbounded = Unbounded(path, path)


def _weighs(rule: Does, text: bytes, judged: Judged) -> bool:
    if rule is Does.RUNS_ON:
        judged.runs_on = True
        return True
    if rule is Does.THINKS_BESIDE:
        judged.thinks_beside = True
        return True
    if rule is Does.FORCES and text in UNFORCED:
        return True
    judged.text_bytes += len(text)
    judged.has_schema = judged.has_schema or rule in (Does.SCHEMA, Does.FORCES)
    return True


def _is_known(rule: Adds | Only | Members, text: bytes, target: Target, judged: Judged, path: str) -> bool:
    if isinstance(rule, Only):
        return text in rule.values
    if isinstance(rule, Adds):
        judged.added += rule.tokens
        return True
    members = _decoded(_FIELDS, text)
    if members is None or repeats_a_key(text, members):
        return False  # a key is there twice, and servers disagree on which one counts
    _judge(members, rule.fields, target, judged, f"{path}.")
    return True


def _counts(rule: FieldRule, text: bytes, judged: Judged) -> bool:
    """Take a number into the judgement. False: the number bounds nothing (an endless limit is -1 at some
    servers)."""
    count = int(text) if text.isdigit() and len(text) < MAX_DIGITS else _decoded(_COUNTS, text)
    if count == ENDLESS and rule in (THINKS, BESIDE):
        return True
    if count is None or count < 0:
        return False
    count = min(count, MAX_COUNT)
    if rule is LENGTHENS or rule is THINKS:
        judged.at_least = max(count, judged.at_least)
    elif rule is BESIDE:
        judged.beside += count
    elif count == 0:
        return False
    elif rule is LIMIT:
        judged.limit = max(count, judged.limit or 0)
    else:
        judged.answers = max(count, judged.answers)
    return True


def _objects(text: bytes) -> list[dict[str, msgspec.Raw]]:
    return _decoded(_LISTS, text) or []


def _decoded(decoder: "msgspec.json.Decoder[T]", text: bytes) -> T | None:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def unbounded_content(fields: Fields, target: Target, *, plain: bool) -> Unbounded | None:
    """The first part of the messages and tools without a known bound. None: there is no such part. `plain`:
    the messages are known to hold text alone, in known fields."""
    found = None if plain else _messages(fields.get("messages"), target)
    return found or _tools(fields.get("tools"), target)


def _messages(raw: msgspec.Raw | None, target: Target) -> Unbounded | None:
    for place, message in enumerate(_objects(bytes(raw or b"[]"))):
        where = f"messages[{place}]"
        found = _unknown(message, MESSAGE_FIELDS, target, where, "messages")
        if found is not None:
            return found
        content = bytes(message.get("content", b""))
        for at, part in enumerate(_objects(content) if content.startswith(b"[") else ()):
            found = _part(part, target, f"{where}.content[{at}]")
            if found is not None:
                return found
    return None


def _part(part: Fields, target: Target, where: str) -> Unbounded | None:
    kind = _decoded(_TEXTS, bytes(part.get("type", b'""'))) or ""
    name = f"messages.content.{kind}"
    if kind not in PART_KINDS:
        return None if name in target.free_params else Unbounded(where, name)
    if "image_url" in part and not _is_image(bytes(part["image_url"])):
        name = "messages.content.image_url"
        if name not in target.free_params:
            return Unbounded(f"{where}.image_url", name)
    return _unknown(part, PART_FIELDS, target, where, "messages.content")


def _is_image(raw: bytes) -> bool:
    """Whether an `image_url` is a web address or the bytes of a picture. Some servers also take documents and
    films there."""
    image = _decoded(_IMAGES, raw)
    url = image.url if isinstance(image, ImageUrl) else image or ""
    return not url[:5].lower().startswith("data:") or url[5:11].lower() == "image/"


def _tools(raw: msgspec.Raw | None, target: Target) -> Unbounded | None:
    if raw is None:
        return None
    for place, tool in enumerate(_objects(bytes(raw))):
        kind = _decoded(_TEXTS, bytes(tool.get("type", b'""'))) or ""
        name = f"tools.{kind}"
        where = f"tools[{place}]"
        if kind in TOOL_KINDS:
            found = _unknown(tool, TOOL_FIELDS, target, where, "tools")
        else:
            found = None if name in target.free_params else Unbounded(where, name)
        if found is not None:
            return found
    return None


def _unknown(
    fields: Fields, known: frozenset[str], target: Target, where: str, inside: str
) -> Unbounded | None:
    """The first unknown field, where the dialect lets unknown fields go on to the provider."""
    if fields.keys() <= known or not target.dialect.facts.forwards_unknown:
        return None
    for name, raw in fields.items():
        allowed = f"{inside}.{name}"
        if name not in known and bytes(raw) not in OFF and allowed not in target.free_params:
            return Unbounded(f"{where}.{name}", allowed)
    return None


def unbounded_param(target: Target) -> Unbounded | None:
    """The first of a deployment's own parameters without a known bound. None: there is no such parameter."""
    found = judge(target.params, target).unbounded or unbounded_content(target.params, target, plain=True)
    search = unpriced_search(target.params, target) if found is None else None
    if search is not None:
        return Unbounded(search, search)
    if found is None and not tier_is_priced(target.params, target):
        return Unbounded("service_tier", "service_tier")
    return found


def tier_is_priced(fields: Fields, target: Target) -> bool:
    """Whether the price has rates for the service tier that is asked for."""
    raw = fields.get("service_tier")
    if raw is None or bytes(raw) in TIERS or "service_tier" in target.free_params:
        return True
    services = () if target.price is None else target.price.services
    return any(bytes(raw) == b'"%s"' % service.name.encode() for service in services)
