"""Reasoning, sampling and limits as Claude models take them, at whichever host: by the table of model facts.

reasoning_effort   adaptive thinking with that effort, or a budget of thinking, by model
thinking           in the form that the model takes; its budget gets room within the limit
temperature ...    left out where the model refuses them, or refuses them beside thinking
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.fitting import nearest
from models_registry.backends.parameters import unsupported
from models_registry.facts.table import ModelFacts
from models_registry.target import Target

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
IDLE = (NULL, b'"auto"', b'"none"')
"""Values of `tool_choice` that force no tool."""
MAX_BOUND = 2**31 - 1
_ANY = msgspec.json.Decoder()

RawFields = dict[str, msgspec.Raw]


class AskedThinking(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""
    budget_tokens: int | None = None


def fit_effort(fields: RawFields, target: Target, *, drops: bool) -> None:
    """`reasoning_effort` as the model takes it. `none` is switched off by the translation."""
    effort, facts = text_in(fields.get(EFFORT)), target.facts
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


def fit_thinking(fields: RawFields, facts: ModelFacts | None, *, drops: bool) -> AskedThinking:
    """`thinking` in the form that the model takes, under `drop_params`. Gives what it is now."""
    raw = fields.get(THINKING)
    if raw is None or bytes(raw) == NULL:
        return AskedThinking()
    try:
        thinking = msgspec.json.decode(raw, type=AskedThinking)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return AskedThinking()
    if facts is None or not drops:
        return thinking
    if facts.reasoning is False:
        del fields[THINKING]
        return AskedThinking()
    if thinking.kind == "enabled" and facts.adaptive and facts.budgeted is False:
        fields[THINKING] = ADAPTIVE
        return AskedThinking("adaptive")
    if thinking.kind == "adaptive" and not facts.adaptive and facts.budgeted:
        thinking = AskedThinking("enabled", BUDGETS["high"])
        fields[THINKING] = msgspec.Raw(msgspec.json.encode(thinking))
    return thinking


def make_room(fields: RawFields, thinking: AskedThinking, target: Target) -> None:
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


def fit_sampling(fields: RawFields, target: Target, *, thinks: bool) -> None:
    """Leave out what the model refuses, what it refuses beside thinking, and `top_p` beside `temperature`."""
    facts = target.facts
    refuses_all = facts is not None and facts.sampling is False
    for name in SAMPLERS:
        raw = fields.get(name)
        if raw is None or bytes(raw) == NULL:
            continue
        value = number_in(raw)
        plain = value == 1 and name != "top_k"
        near = name == "top_p" and value is not None and value >= LEAST_TOP_P
        if not plain and (refuses_all or (thinks and not near)):
            del fields[name]
    both = all(bytes(fields.get(name, NULL)) != NULL for name in ("temperature", "top_p"))
    if both and ONE_SAMPLER.match(target.model):
        del fields["temperature" if number_in(fields["temperature"]) == 1 else "top_p"]


def text_in(raw: msgspec.Raw | None) -> str | None:
    found = _value(raw)
    return found if isinstance(found, str) else None


def _count(raw: msgspec.Raw | None) -> int | None:
    found = _value(raw)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def number_in(raw: msgspec.Raw | None) -> float | None:
    found = _value(raw)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _value(raw: msgspec.Raw | None) -> object:
    try:
        return None if raw is None else _ANY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
