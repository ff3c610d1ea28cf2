"""Fits a request to a Claude model: reasoning, sampling, limits and schemas, by the table of model facts.

reasoning_effort   adaptive thinking with that effort, or a budget of thinking, by model
thinking           in the form that the model takes; its budget gets room within the limit
temperature ...    left out where the model refuses them, or refuses them beside thinking
schemas            in the part of JSON Schema that Anthropic takes (`schemas.py`)
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.anthropic.messages import conversation
from models_registry.backends.anthropic.request import HONOURED, answers_by_tool
from models_registry.backends.anthropic.schemas import fit_schema, fits_strict, with_object_root
from models_registry.backends.anthropic.thinking import continues_unsigned
from models_registry.backends.changes import Changes
from models_registry.backends.fitting import Fitted, merged, nearest, refitted
from models_registry.backends.parameters import (
    CONSUMED,
    GATEWAY_FIELDS,
    drops_params,
    may_leave_out,
    unsupported,
)
from models_registry.facts.table import ModelFacts
from models_registry.target import Target
from schema.chat import ChatRequest

BUDGETS: Mapping[str, int] = MappingProxyType(
    {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
)
"""The budget of thinking in tokens for a level of `reasoning_effort`. Anthropic takes no smaller one than
1,024."""
BUDGET_LEVELS = ("minimal", "low", "medium", "high")
LEVELS = ("low", "medium", "high", "max")
"""The levels of models that have adaptive thinking, where the table names none."""
LEAST_TOP_P = 0.95
"""The least `top_p` beside thinking."""
ONE_SAMPLER = re.compile(
    r".*claude-(?:opus-4-[1-9](?!\d)|(?:sonnet|haiku)-4-[5-9](?!\d)|[a-z]+-[5-9](?!\d))", re.IGNORECASE
)
"""The names of models that refuse `temperature` and `top_p` together."""
EFFORT, THINKING, LIMITS = "reasoning_effort", "thinking", ("max_completion_tokens", "max_tokens")
SAMPLERS = ("temperature", "top_p", "top_k")
ADAPTIVE = msgspec.Raw(b'{"type":"adaptive"}')
NULL = b"null"
NO_TOOLS = (NULL, b"[]")
IDLE = (NULL, b'"auto"', b'"none"')
"""Values of `tool_choice` that force no tool."""
MAX_USER_CHARS = 256
MAX_BOUND = 2**31 - 1
MAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}\.[^\s@]{2,}")
PHONE = re.compile(r"\s*(?:tel:)?\+?(?:[\s().\-/]{0,3}[0-9]){7,15}\s*")

_ANY = msgspec.json.Decoder()
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])

RawFields = dict[str, msgspec.Raw]


class _AskedThinking(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""
    budget_tokens: int | None = None


def fitted(request: ChatRequest, target: Target) -> Fitted | None:
    """The request as its model takes it. None: it is fit as it came. Raises UnsupportedParameter for a level
    of reasoning that the model lacks, without `drop_params`."""
    fields = merged(request, target)
    drops = drops_params(request, target)
    before = dict(fields)
    if drops:
        _leave_out(fields)
    _fit_effort(fields, target, drops=drops)
    thinking = _fit_thinking(fields, target.facts, drops=drops)
    if thinking.kind == "enabled" and continues_unsigned(conversation(request.messages, Changes())[1]):
        del fields[THINKING]  # the client kept no thinking of the turn that goes on
        thinking = _AskedThinking()
    lacks_tools = _fit_history(fields, request, target)
    _fit_user(fields)
    _make_room(fields, thinking, target)
    _fit_sampling(fields, target, thinks=thinking.kind in ("enabled", "adaptive"))
    _fit_format(fields)
    _fit_tools(fields)
    if fields == before:
        return refitted(fields, target, ()) if target.params else None
    changed = [name for name in before if fields.get(name) != before[name]]
    changed += ["tools"] if lacks_tools else []
    became_thinking = (
        EFFORT not in fields and THINKING in fields and bytes(before.get(THINKING, NULL)) == NULL
    )
    if EFFORT in changed and became_thinking and _text(before[EFFORT]) in BUDGET_LEVELS:
        changed.remove(EFFORT)  # it became thinking, which is what it asks for
    return refitted(fields, target, changed)


def _leave_out(fields: RawFields) -> None:
    """Leave out, under `drop_params`, what the translation can't honour, so that the bounds are those of what
    is sent."""
    for name in [name for name in fields if name not in HONOURED]:
        if name in GATEWAY_FIELDS or name in CONSUMED or bytes(fields[name]) == NULL:
            continue
        if not may_leave_out(name, fields[name]):
            del fields[name]
    temperature = _number(fields.get("temperature"))
    if temperature is not None and temperature > 1:
        del fields["temperature"]


def _fit_effort(fields: RawFields, target: Target, *, drops: bool) -> None:
    """`reasoning_effort` as the model takes it. `none` is switched off by the translation."""
    effort, facts = _text(fields.get(EFFORT)), target.facts
    if effort is None or facts is None:
        return
    if effort == "none":
        if not facts.always_thinks:
            return
        if not drops:
            raise unsupported(EFFORT, target, "the model always thinks")
        del fields[EFFORT]
        return
    if facts.reasoning is False:
        if not drops:
            raise unsupported(EFFORT, target, "the model does not reason")
        del fields[EFFORT]
        return
    is_given = bytes(fields.get(THINKING, NULL)) != NULL
    if (
        facts.budgeted
        and not facts.adaptive
        and not is_given
        and bytes(fields.get("tool_choice", NULL)) not in IDLE
    ):
        del fields[EFFORT]  # a forced tool and a budget of thinking don't go together
        return
    levels = (*(facts.efforts or LEVELS), "minimal") if facts.adaptive else BUDGET_LEVELS
    if effort not in levels:
        near = nearest(effort, levels) if drops else None
        if near is None and effort not in BUDGETS:
            return  # no level at all: the translation says so
        if near is None:
            raise unsupported(EFFORT, target, f"'{effort}' is not one of its levels: {', '.join(levels)}")
        effort = near
        fields[EFFORT] = msgspec.Raw(msgspec.json.encode(effort))
    if facts.adaptive:
        if not is_given:
            fields[THINKING] = ADAPTIVE
        return
    if facts.budgeted:
        del fields[EFFORT]
        if not is_given:
            budget = {"type": "enabled", "budget_tokens": BUDGETS[effort]}
            fields[THINKING] = msgspec.Raw(msgspec.json.encode(budget))


def _fit_thinking(fields: RawFields, facts: ModelFacts | None, *, drops: bool) -> _AskedThinking:
    """`thinking` in the form that the model takes, under `drop_params`. Gives what it is now."""
    raw = fields.get(THINKING)
    if raw is None or bytes(raw) == NULL:
        return _AskedThinking()
    try:
        thinking = msgspec.json.decode(raw, type=_AskedThinking)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _AskedThinking()
    if facts is None or not drops:
        return thinking
    if facts.reasoning is False:
        del fields[THINKING]
        return _AskedThinking()
    if thinking.kind == "enabled" and facts.adaptive and facts.budgeted is False:
        fields[THINKING] = ADAPTIVE
        return _AskedThinking("adaptive")
    if thinking.kind == "adaptive" and not facts.adaptive and facts.budgeted:
        thinking = _AskedThinking("enabled", BUDGETS["high"])
        fields[THINKING] = msgspec.Raw(msgspec.json.encode(thinking))
    return thinking


def _make_room(fields: RawFields, thinking: _AskedThinking, target: Target) -> None:
    """Raise a limit that the budget of thinking would use up, by the budget, which is a part of it."""
    budget = thinking.budget_tokens or 0
    name = next((name for name in LIMITS if bytes(fields.get(name, NULL)) != NULL), None)
    if name is None or not 0 < budget < MAX_BOUND or thinking.kind != "enabled":
        return
    limit = _count(fields[name])
    if limit is None or limit > budget:
        return
    most = target.max_output_tokens
    raised = min(limit + budget, MAX_BOUND if most is None else most)
    if raised > budget:
        fields[name] = msgspec.Raw(b"%d" % raised)


def _fit_sampling(fields: RawFields, target: Target, *, thinks: bool) -> None:
    """Leave out what the model refuses, what it refuses beside thinking, and `top_p` beside `temperature`."""
    facts = target.facts
    refuses_all = facts is not None and facts.sampling is False
    for name in SAMPLERS:
        raw = fields.get(name)
        if raw is None or bytes(raw) == NULL:
            continue
        value = _number(raw)
        plain = value == 1 and name != "top_k"
        near = name == "top_p" and value is not None and value >= LEAST_TOP_P
        if not plain and (refuses_all or (thinks and not near)):
            del fields[name]
    both = all(bytes(fields.get(name, NULL)) != NULL for name in ("temperature", "top_p"))
    if both and ONE_SAMPLER.match(target.model):
        del fields["temperature" if _number(fields["temperature"]) == 1 else "top_p"]


def _fit_format(fields: RawFields) -> None:
    """The schema of `response_format` as Anthropic takes it."""
    try:
        wanted = _OBJECT.decode(fields.get("response_format", b"{}"))
        inside = _OBJECT.decode(wanted.get("json_schema", b"{}"))
        schema = _ANY.decode(inside.get("schema", NULL))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if not isinstance(schema, dict):
        return
    fit = fit_schema(schema)
    if fit != schema:
        inside["schema"] = msgspec.Raw(msgspec.json.encode(fit))
        wanted["json_schema"] = msgspec.Raw(msgspec.json.encode(inside))
        fields["response_format"] = msgspec.Raw(msgspec.json.encode(wanted))


def _fit_history(fields: RawFields, request: ChatRequest, target: Target) -> bool:
    """Declare the tools that were called earlier, where the request has none: Anthropic wants every tool of
    the conversation declared. None of them can be called now. Gives whether there were such."""
    if request.tools or answers_by_tool(request, target):
        return False
    if bytes(fields.get("tools", NULL)) not in NO_TOOLS or bytes(fields.get("tool_choice", NULL)) not in IDLE:
        return False
    names = {
        call.function.name: None
        for message in request.messages
        for call in message.tool_calls or ()
        if call.function is not None and call.function.name
    }
    if not names:
        return False
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    fields["tools"] = msgspec.Raw(msgspec.json.encode(tools))
    fields["tool_choice"] = msgspec.Raw(b'"none"')
    return True


def _fit_user(fields: RawFields) -> None:
    """Leave out a `user` that Anthropic refuses: a mail address, a phone number, a long or a blank one."""
    user = _text(fields.get("user"))
    if user is None:
        return
    if not user.strip() or len(user) > MAX_USER_CHARS or MAIL.search(user) or PHONE.fullmatch(user):
        del fields["user"]


def _fit_tools(fields: RawFields) -> None:
    """Give the parameters of tools a root of type `object`, and leave out `strict` where it does not fit."""
    try:
        tools = _OBJECTS.decode(fields.get("tools", b"[]"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    fit = [_fit_tool(tool) for tool in tools]
    if any(fit):
        fields["tools"] = msgspec.Raw(msgspec.json.encode(tools))


def _fit_tool(tool: RawFields) -> bool:
    """Fit one tool. Gives whether it was changed."""
    try:
        function = _OBJECT.decode(tool.get("function", b"{}"))
        schema = _ANY.decode(function.get("parameters", NULL))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    changed = False
    if isinstance(schema, dict):
        rooted = with_object_root(schema)
        changed = rooted != schema
        if changed:
            function["parameters"] = msgspec.Raw(msgspec.json.encode(rooted))
        if bytes(function.get("strict", NULL)) == b"true" and not fits_strict(rooted):
            del function["strict"]
            changed = True
    if changed:
        tool["function"] = msgspec.Raw(msgspec.json.encode(function))
    return changed


def _text(raw: msgspec.Raw | None) -> str | None:
    found = _value(raw)
    return found if isinstance(found, str) else None


def _count(raw: msgspec.Raw | None) -> int | None:
    found = _value(raw)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _number(raw: msgspec.Raw | None) -> float | None:
    found = _value(raw)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _value(raw: msgspec.Raw | None) -> object:
    try:
        return None if raw is None else _ANY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
