"""A request of Messages as turns, for models that Anthropic's API does not serve.

What another model has no way to honour is refused by name. What is left out instead, since the answer stays
the same without it, is in `DROPPED`: the docs list it, and `left_out` tells it to the caller.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.facts.families import marks_caches
from models_registry.fronts.messages.conversation import Conversation, texts_of
from models_registry.fronts.messages.thinking import effort_of
from models_registry.fronts.messages.tools import tool_choice_fields, tools_of
from models_registry.target import Target
from models_registry.turns.asked import turns_of
from schema.chat import ChatRequest, Message
from schema.errors.requests import InvalidRequest, ThreadUnsupported, UnsupportedParameter
from schema.messages import MessagesRequest
from schema.wire import present

DROPPED: Mapping[str, str] = MappingProxyType(
    {
        "cache_control": "a hint to Anthropic's cache; the answer is the same",
        "context_management": "it takes old results of tools out of a prompt; the prompt is sent whole",
        "service_tier": "the provider's standard tier is what is asked for elsewhere",
        "diagnostics": "a report on Anthropic's cache",
        "user_profile_id": "a label of Anthropic's",
        "thinking": "models that are not known to think are not asked to",
        "output_config": "the effort of a model that is not known to think",
    }
)
"""Fields that another provider's request does not have, each with the reason why."""
TOOL_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "input_examples": "examples for the model",
        "defer_loading": "the tool is there from the beginning",
        "eager_input_streaming": "input comes as the provider sends it",
        "allowed_callers": "no other tool of these providers can call it",
    }
)
"""Fields of a tool that other providers' tools do not have, each with the reason why it may be left out."""
READ = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "system",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "metadata",
        "thread",
    ]
)
"""Fields that are translated."""
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "container": "Anthropic runs it",
        "mcp_servers": "Anthropic calls them",
        "inference_geo": "it is a place of Anthropic's",
        "compaction": "Anthropic makes the summary",
        "prefill": "it belongs to Anthropic's models",
        "workspace_id": "it is one of Anthropic's",
        "billing_policy": "it is one of Anthropic's",
        "fallback_credit_token": "it is one of Anthropic's",
    }
)
SPEEDS = (b'"standard"', b"null")
CHAT_ALONE = frozenset(
    [
        "n",
        "functions",
        "function_call",
        "logprobs",
        "top_logprobs",
        "stream_options",
        "response_format",
        "audio",
        "modalities",
        "max_completion_tokens",
        "max_output_tokens",
        "max_new_tokens",
        "n_predict",
        "num_predict",
        "stop",
    ]
)
"""Chat's fields that ask for what this form can't hold, or that have another name here."""
EDITS = "clear_"
"""How the kinds of edits begin that only take something out of a prompt."""
MAX_USER_CHARS = 64
"""A longer `user_id` is left out. OpenAI takes no longer one."""


class _Edit(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""


class _Editing(msgspec.Struct, frozen=True):
    edits: list[_Edit] = []


class _SentLabels(msgspec.Struct, frozen=True):
    user_id: str | None = None


class _WantedSchema(msgspec.Struct, frozen=True, rename={"kind": "type", "body": "schema"}):
    kind: str
    body: msgspec.Raw


class OutputWish(msgspec.Struct, frozen=True):
    effort: str | None = None
    format: _WantedSchema | None = None


def turns_from(request: MessagesRequest, target: Target) -> ChatRequest:
    """The request as turns. Raises InvalidRequest, UnsupportedParameter and ThreadUnsupported."""
    fields = request.fields()
    _check(request, fields, target)
    asked: dict[str, object] = {
        name: raw for name, raw in fields.items() if name not in READ and name not in DROPPED
    }
    asked.pop("speed", None)
    asked["model"] = request.model
    asked["messages"] = _messages(request, marks=_takes_marks(target))
    for name in ("max_tokens", "stream", "temperature", "top_p", "top_k"):
        if name in fields:
            asked[name] = fields[name]
    if request.stop_sequences:
        asked["stop"] = request.stop_sequences
    tools = tools_of(request.tools, target, marks=_takes_marks(target))
    if tools:
        asked["tools"] = tools
    asked.update(tool_choice_fields(request.tool_choice, has_tools=bool(tools)))
    wish = output_wish(request)
    effort = effort_of(request.thinking, wish.effort, target)
    if effort is not None:
        asked["reasoning_effort"] = effort
    if wish.format is not None:
        asked["response_format"] = _response_format(wish.format)
    user = _user(request)
    if user is not None and len(user) <= MAX_USER_CHARS:
        asked["user"] = user
    return turns_of({name: _raw(value) for name, value in asked.items()})


def left_out(request: MessagesRequest, target: Target) -> tuple[str, ...]:
    """The names of the fields that the translation leaves out."""
    names = [name for name in DROPPED if name in request.raw and name not in READ]
    asks = present(request.thinking) and b'"disabled"' not in bytes(request.thinking)
    if asks and effort_of(request.thinking, None, target) is None:
        names.append("thinking")
    if b'"cache_control"' in bytes(request.raw.get("messages", b"")) and not _takes_marks(target):
        names.append("messages.cache_control")
    tools = bytes(request.tools) if present(request.tools) else b""
    names += [f"tools.{name}" for name in TOOL_HINTS if b'"%s"' % name.encode() in tools]
    user = _user(request)
    if user is not None and len(user) > MAX_USER_CHARS:
        names.append("metadata.user_id")
    return tuple(names)


def has_inner_system(request: MessagesRequest) -> bool:
    """Whether an instruction stands inside the conversation."""
    return any(turn.role == "system" for turn in request.messages)


def page() -> str:
    """What is left out and what is refused, as two tables in Markdown. `docs/surfaces.md` has them."""
    dropped = {**DROPPED, **{f"tools.{name}": why for name, why in TOOL_HINTS.items()}}
    lines = ["| left out | why the answer stays the same |", "| --- | --- |"]
    lines += [f"| `{name}` | {why} |" for name, why in dropped.items()]
    lines += ["", "| refused by name | why |", "| --- | --- |"]
    lines += [f"| `{name}` | {why} |" for name, why in REFUSED.items()]
    return "\n".join(lines) + "\n"


def output_wish(request: MessagesRequest) -> OutputWish:
    """What `output_config` asks for. Raises InvalidRequest."""
    if not present(request.output_config):
        return OutputWish()
    try:
        return msgspec.json.decode(request.output_config, type=OutputWish)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"'output_config' is malformed: {exc}", param="output_config") from exc


def _check(request: MessagesRequest, fields: Mapping[str, msgspec.Raw], target: Target) -> None:
    if present(request.thread):
        raise ThreadUnsupported(
            f"'thread' is not supported for '{target.public_name}': its provider keeps no conversation. Send "
            "the whole conversation in 'messages'.",
            param="thread",
        )
    for name, why in REFUSED.items():
        if name in fields and bytes(fields[name]) not in (b"null", b"[]"):
            raise _unsupported(name, target, why)
    for name in CHAT_ALONE:
        if name in fields and present(fields[name]):
            raise _unsupported(name, target, "it belongs to /v1/chat/completions")
    if bytes(fields.get("speed", SPEEDS[0])) not in SPEEDS:
        raise _unsupported("speed", target, "it is one of Anthropic's")
    if request.max_tokens == 0:
        raise _unsupported("max_tokens", target, "0 fills Anthropic's cache alone")
    management = fields.get("context_management")
    if management is not None and present(management):
        _check_edits(management, target)


def _check_edits(management: msgspec.Raw, target: Target) -> None:
    try:
        edits = msgspec.json.decode(management, type=_Editing).edits
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"'context_management' is malformed: {exc}", param="context_management") from exc
    for edit in edits:
        if not edit.kind.startswith(EDITS):
            raise _unsupported("context_management", target, f"'{edit.kind[:100]}' is Anthropic's to do")


def _messages(request: MessagesRequest, *, marks: bool) -> list[Message]:
    conversation = Conversation(marks=marks)
    system = texts_of(request.system, "system", marks=marks)
    if system:
        conversation.add_system(system)
    for place, turn in enumerate(request.messages):
        conversation.add(turn, f"messages[{place}]")
    if not request.messages:
        raise InvalidRequest("'messages' must not be empty.", param="messages")
    return conversation.messages


def _takes_marks(target: Target) -> bool:
    """Whether `cache_control` goes on: where a model's hosts know it."""
    if "cache_control" in target.refuses:
        return False
    return not target.dialect.facts.forwards_unknown or marks_caches(target.model)


def _response_format(wanted: _WantedSchema) -> dict[str, object]:
    if wanted.kind != "json_schema":
        raise InvalidRequest(
            "'output_config.format.type' must be 'json_schema'.", param="output_config.format.type"
        )
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": wanted.body, "strict": True},
    }


def _user(request: MessagesRequest) -> str | None:
    if not present(request.metadata):
        return None
    try:
        return msgspec.json.decode(request.metadata, type=_SentLabels).user_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _unsupported(name: str, target: Target, why: str) -> UnsupportedParameter:
    return UnsupportedParameter(
        f"'{name}' is not supported by the provider '{target.provider}' of '{target.public_name}': {why}. "
        "Leave it out.",
        param=name,
    )


def _raw(value: object) -> msgspec.Raw:
    return value if isinstance(value, msgspec.Raw) else msgspec.Raw(msgspec.json.encode(value))
