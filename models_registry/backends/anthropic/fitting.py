"""Fits a request to a model of Anthropic's: reasoning, sampling and limits (`claude_fitting.py`), schemas
(`claude_schemas.py`), and what only Anthropic's own API asks for."""

import re
from functools import partial

import msgspec

from models_registry.backends.anthropic.messages import conversation
from models_registry.backends.anthropic.request import HONOURED, answers_by_tool
from models_registry.backends.anthropic.thinking import continues_unsigned
from models_registry.backends.cache_points import mark_chat
from models_registry.backends.changes import Changes
from models_registry.backends.claude_fitting import (
    BUDGET_LEVELS,
    EFFORT,
    IDLE,
    NULL,
    THINKING,
    AskedThinking,
    RawFields,
    fit_effort,
    fit_sampling,
    fit_thinking,
    make_room,
    number_in,
    text_in,
)
from models_registry.backends.claude_schemas import Schema, fits_strict
from models_registry.backends.content import called_names
from models_registry.backends.fitted_schemas import fit_format, fit_tools
from models_registry.backends.fitting import Fitted, merged, refitted
from models_registry.backends.parameters import (
    CONSUMED,
    GATEWAY_FIELDS,
    drops_params,
    may_leave_out,
)
from models_registry.target import Target
from schema.chat import ChatRequest

NO_TOOLS = (NULL, b"[]")
MAX_USER_CHARS = 256
MAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}\.[^\s@]{2,}")
PHONE = re.compile(r"\s*(?:tel:)?\+?(?:[\s().\-/]{0,3}[0-9]){7,15}\s*")


def fitted(request: ChatRequest, target: Target) -> Fitted | None:
    """The request as its model takes it. None: it is fit as it came. Raises UnsupportedParameter for a level
    of reasoning that the model lacks, without `drop_params`."""
    fields = merged(request, target)
    drops = drops_params(request, target)
    marked = mark_chat(fields, target)
    before = dict(fields)
    if drops:
        _leave_out(fields)
    fit_effort(fields, target, drops=drops)
    thinking = fit_thinking(fields, target.facts, drops=drops)
    if thinking.kind == "enabled" and continues_unsigned(conversation(request.messages, Changes())[1]):
        del fields[THINKING]  # the client kept no thinking of the turn that goes on
        thinking = AskedThinking()
    lacks_tools = _fit_history(fields, request, target)
    _fit_user(fields)
    make_room(fields, thinking, target)
    fit_sampling(fields, target, thinks=thinking.kind in ("enabled", "adaptive"))
    fit_format(fields)
    fit_tools(fields, fits=partial(_fits_strict, target))
    if fields == before:
        return refitted(fields, target, marked) if target.params or marked else None
    changed = [*marked, *(name for name in before if fields.get(name) != before[name])]
    changed += ["tools"] if lacks_tools else []
    became_thinking = (
        EFFORT not in fields and THINKING in fields and bytes(before.get(THINKING, NULL)) == NULL
    )
    if EFFORT in changed and became_thinking and text_in(before[EFFORT]) in BUDGET_LEVELS:
        changed.remove(EFFORT)  # it became thinking, which is what it asks for
    return refitted(fields, target, changed)


def _fits_strict(target: Target, schema: Schema) -> bool:
    """Whether a tool with this schema may be `strict`. A host of its own has strict tools where it has
    schemas."""
    facts = target.facts
    if target.body_version and facts is not None and not facts.native_structured:
        return False
    return fits_strict(schema, target.model)


def _leave_out(fields: RawFields) -> None:
    """Leave out, under `drop_params`, what the translation can't honour, so that the bounds are those of what
    is sent."""
    for name in [name for name in fields if name not in HONOURED]:
        if name in GATEWAY_FIELDS or name in CONSUMED or bytes(fields[name]) == NULL:
            continue
        if not may_leave_out(name, fields[name]):
            del fields[name]
    temperature = number_in(fields.get("temperature"))
    if temperature is not None and temperature > 1:
        del fields["temperature"]


def _fit_history(fields: RawFields, request: ChatRequest, target: Target) -> bool:
    """Declare the tools that were called earlier, where the request has none: Anthropic wants every tool of
    the conversation declared. None of them can be called now. Gives whether there were such."""
    if request.tools or answers_by_tool(request, target):
        return False
    if bytes(fields.get("tools", NULL)) not in NO_TOOLS or bytes(fields.get("tool_choice", NULL)) not in IDLE:
        return False
    names = called_names(request.messages)
    if not names:
        return False
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    fields["tools"] = msgspec.Raw(msgspec.json.encode(tools))
    fields["tool_choice"] = msgspec.Raw(b'"none"')
    return True


def _fit_user(fields: RawFields) -> None:
    """Leave out a `user` that Anthropic refuses: a mail address, a phone number, a long or a blank one."""
    user = text_in(fields.get("user"))
    if user is None:
        return
    if not user.strip() or len(user) > MAX_USER_CHARS or MAIL.search(user) or PHONE.fullmatch(user):
        del fields["user"]
