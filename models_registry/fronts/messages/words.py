"""Anthropic's words for what an answer is made of: stop reasons, usage, citations, ids of tool calls."""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.turns.events import Cited, StopReason
from schema.messages import MessagesUsage, SearchesMade, ThoughtTokens, WrittenFor
from schema.usage import NOTHING_RARE, Usage

STOP_WORDS: Mapping[StopReason, str] = MappingProxyType(
    {
        StopReason.END: "end_turn",
        StopReason.SEQUENCE: "stop_sequence",
        StopReason.PAUSE: "pause_turn",
        StopReason.LENGTH: "max_tokens",
        StopReason.CONTEXT: "model_context_window_exceeded",
        StopReason.TOOLS: "tool_use",
        StopReason.FILTER: "refusal",
    }
)
REFUSAL = STOP_WORDS[StopReason.FILTER]
LOCATIONS = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "web_search_result_location",
        "search_result_location",
    }
)
"""Anthropic's kinds of citations."""
NO_INPUT = msgspec.Raw(b"{}")
_VALID_ID = re.compile(r"[a-zA-Z0-9_-]+")
ID_CHARS = 24
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KIND = msgspec.json.Decoder(str)


class _WebCitation(msgspec.Struct, frozen=True, kw_only=True):
    """A source on the web, with the fields that SDKs expect."""

    type: str = "web_search_result_location"
    url: str
    title: str | None
    cited_text: str = ""
    encrypted_index: str = ""


def to_messages_usage(usage: Usage | None) -> MessagesUsage:
    """The usage as Anthropic's clients read it. None: nothing is known yet, and each count is 0."""
    if usage is None:
        return MessagesUsage(
            input_tokens=0, cache_creation_input_tokens=0, cache_read_input_tokens=0, output_tokens=0
        )
    rare = usage.rare or NOTHING_RARE
    written, hour = usage.cache_write_tokens, rare.cache_write_1h_tokens
    return MessagesUsage(
        input_tokens=max(usage.prompt_tokens - usage.cached_tokens - written, 0),
        cache_creation_input_tokens=written,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        cache_creation=WrittenFor(
            ephemeral_5m_input_tokens=max(written - hour, 0), ephemeral_1h_input_tokens=hour
        )
        if written
        else None,
        output_tokens_details=ThoughtTokens(thinking_tokens=usage.reasoning_tokens)
        if usage.reasoning_tokens
        else None,
        server_tool_use=SearchesMade(web_search_requests=rare.web_searches) if rare.web_searches else None,
    )


def tool_use_id(id: str) -> str:
    """The id of a tool call in Anthropic's characters, so that the conversation can go on at Anthropic."""
    if _VALID_ID.fullmatch(id):
        return id
    return "toolu_" + hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:ID_CHARS]


def input_of(arguments: str) -> msgspec.Raw:
    """A tool call's arguments as the object that clients expect. Arguments that are none, since they were
    cut, stand as text in an object of their own."""
    if not arguments.strip():
        return NO_INPUT
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return msgspec.Raw(msgspec.json.encode({"arguments": arguments}))
    return msgspec.Raw(arguments.encode())


def is_object(text: str) -> bool:
    """Whether a text is a whole JSON object."""
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def citation_of(cited: Cited) -> msgspec.Raw | None:
    """A source in Anthropic's form. Another provider's source is one on the web. None: it has no address."""
    try:
        kind = _KIND.decode(_OBJECT.decode(cited.source).get("type", b'""'))
    except (msgspec.DecodeError, UnicodeError):
        kind = ""
    if kind in LOCATIONS:
        return cited.source
    if not cited.url:
        return None
    return msgspec.Raw(msgspec.json.encode(_WebCitation(url=cited.url, title=cited.title or None)))
