"""Fits a request in OpenAI's dialect to a model: the name of its limit, what OpenAI refuses in messages, and
what is left out under `drop_params`."""

import msgspec

from models_registry.backends.fitting import (
    CACHE_CONTROL,
    Fitted,
    merged,
    nearest,
    refitted,
    without_cache_control,
)
from models_registry.backends.openai.history import (
    holds_any,
    joined_content,
    lacks_thinking,
    may_be_foreign,
    with_thinking,
    without_fields,
    without_foreign,
)
from models_registry.backends.parameters import drops_params
from models_registry.facts.allowances import forces_no_thinker
from models_registry.facts.families import wants_thinking_back
from models_registry.facts.refusals import IS_DEFAULT, SAMPLING
from models_registry.target import Target
from schema.chat import ChatRequest

OLDER, NEWER, EFFORT = "max_tokens", "max_completion_tokens", "reasoning_effort"
THINKING = "thinking"
NULL = b"null"
_TEXT = msgspec.json.Decoder(str)


def fitted(request: ChatRequest, target: Target) -> Fitted | None:
    """The request as its model takes it. None: it is fit as it came."""
    drops = drops_params(request, target)
    renames = bool(target.renames_limit) and _has_limit(request, target)
    parts = target.joins_content and any(isinstance(each.content, list) for each in request.messages)
    foreign = target.strict_messages and may_be_foreign(request)
    refused = bool(target.refused_in_messages) and holds_any(request, target.refused_in_messages)
    thinker = wants_thinking_back(target.model) and not _is_off(request, target)
    unthought = thinker and lacks_thinking(request)
    forced = thinker and _is_forced(request, target) and forces_no_thinker(target.api_base)
    known = not (renames or foreign or parts or refused or unthought or forced)
    if known and not (drops and _may_be_unfit(request, target)):
        return None
    fields, changed = merged(request, target), []
    if renames:
        changed += _rename(fields, target.renames_limit)
    if parts:
        changed += joined_content(fields)
    if foreign:
        changed += without_foreign(fields)
    if refused:
        changed += without_fields(fields, target.refused_in_messages)
    if forced:
        fields[THINKING] = msgspec.Raw(b'{"type":"disabled"}')
        changed.append(THINKING)
    elif unthought:
        changed += with_thinking(fields)
    if drops:
        changed += _leave_out(fields, target)
    return refitted(fields, target, changed) if changed else None


def _is_off(request: ChatRequest, target: Target) -> bool:
    """Whether somebody switched the model's thinking off."""
    fields = merged(request, target)
    return b'"disabled"' in bytes(fields.get(THINKING, NULL)) or bytes(fields.get(EFFORT, NULL)) == b'"none"'


def _is_forced(request: ChatRequest, target: Target) -> bool:
    """Whether the model has to call a tool, and nobody asks for thinking."""
    given = request.raw or request.fields()
    if any(name in given or name in target.params for name in (THINKING, EFFORT)):
        return False
    return bool(request.tools) and request.tool_choice not in (None, "auto", "none")


def _has_limit(request: ChatRequest, target: Target) -> bool:
    """Whether the request has a limit under the name that the provider does not know."""
    if target.renames_limit == NEWER:
        return request.max_tokens is not None or OLDER in target.params
    return request.max_completion_tokens is not None or NEWER in target.params


def _rename(fields: dict[str, msgspec.Raw], name: str) -> list[str]:
    """Give a limit the name that the provider knows. Where both are there, the known one counts. Gives the
    names that were changed."""
    other = OLDER if name == NEWER else NEWER
    if bytes(fields.get(other, NULL)) == NULL:
        return []
    limit = fields.pop(other)
    if bytes(fields.get(name, NULL)) == NULL:
        fields[name] = limit
    return [other]


def _may_be_unfit(request: ChatRequest, target: Target) -> bool:
    """Whether the request has a field that the model may refuse."""
    fields, watched = request.raw or request.fields(), target.watched
    if not (watched.isdisjoint(fields) and watched.isdisjoint(target.params)):
        return True
    return CACHE_CONTROL in target.refuses and any(
        b'"cache_control"' in bytes(fields[name]) for name in ("messages", "tools") if name in fields
    )


def _leave_out(fields: dict[str, msgspec.Raw], target: Target) -> list[str]:
    """Leave out what the model refuses. Gives the names."""
    facts = target.facts
    left = []
    effort = _effort(fields)
    if effort is not None and facts is not None and facts.efforts and effort not in facts.efforts:
        near = nearest(effort, facts.efforts)
        if near is not None:
            fields[EFFORT] = msgspec.Raw(msgspec.json.encode(near))
            left.append(EFFORT)
    unthinking = facts is not None and "none" in facts.efforts and (effort or facts.default_effort) == "none"
    for name in sorted(target.refuses & fields.keys()):
        raw = bytes(fields[name])
        if raw == b"null" or raw in IS_DEFAULT.get(name, ()) or (unthinking and name in SAMPLING):
            continue
        del fields[name]
        left.append(name)
    if "cache_control" in target.refuses and without_cache_control(fields):
        left.append("cache_control")
    return left


def _effort(fields: dict[str, msgspec.Raw]) -> str | None:
    raw = fields.get(EFFORT)
    try:
        return None if raw is None else _TEXT.decode(raw)
    except msgspec.DecodeError:
        return None
