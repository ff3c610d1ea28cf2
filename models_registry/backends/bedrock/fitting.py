"""Fits a request to a model on Bedrock: Claude models as at Anthropic, the others by what the table of facts
says that they refuse."""

from functools import partial

from models_registry.backends.bedrock.models import is_claude, known_as
from models_registry.backends.cache_points import mark_chat
from models_registry.backends.claude_fitting import (
    BUDGET_LEVELS,
    EFFORT,
    THINKING,
    fit_effort,
    fit_sampling,
    fit_thinking,
    make_room,
    text_in,
)
from models_registry.backends.claude_schemas import fits_strict
from models_registry.backends.fitted_schemas import any_strict, fit_format, fit_tools
from models_registry.backends.fitting import Fitted, merged, refitted
from models_registry.backends.parameters import drops_params
from models_registry.facts.refusals import IS_DEFAULT
from models_registry.target import Target
from schema.chat import ChatRequest

THINKS = ("enabled", "adaptive")


def fitted(request: ChatRequest, target: Target) -> Fitted | None:
    """The request as its model takes it. None: it is fit as it came. Raises UnsupportedParameter for a level
    of reasoning that a Claude model lacks, without `drop_params`."""
    drops = drops_params(request, target)
    fields = merged(request, target)
    marked = mark_chat(fields, target)
    before = dict(fields)
    fit_tools(
        fields,
        fits=partial(fits_strict, model=known_as(target)) if is_claude(known_as(target)) else any_strict,
    )
    if is_claude(known_as(target)):
        fit_format(fields)
        fit_effort(fields, target, drops=drops)
        thinking = fit_thinking(fields, target.facts, drops=drops)
        if thinking.kind == THINKS[0] and _continues_unsigned(request):
            del fields[THINKING]
            thinking = type(thinking)()
        make_room(fields, thinking, target)
        fit_sampling(fields, target, thinks=thinking.kind in THINKS)
    elif drops:
        for name in sorted(target.refuses & fields.keys()):
            if bytes(fields[name]) != b"null" and bytes(fields[name]) not in IS_DEFAULT.get(name, ()):
                del fields[name]
    if fields == before:
        return refitted(fields, target, marked) if target.params or marked else None
    changed = [*marked, *(name for name in before if fields.get(name) != before[name])]
    became = EFFORT not in fields and THINKING in fields and THINKING not in before
    if EFFORT in changed and became and text_in(before[EFFORT]) in BUDGET_LEVELS:
        changed.remove(EFFORT)
    return refitted(fields, target, changed)


def _continues_unsigned(request: ChatRequest) -> bool:
    """Whether the turn to go on with has called tools and kept none of its thinking. Claude refuses such a
    turn with a budget of thinking."""
    for message in reversed(request.messages):
        if message.role == "tool":
            continue
        return message.role == "assistant" and bool(message.tool_calls) and not message.thinking_blocks
    return False
