"""What tells Google's models apart where the table of facts says nothing."""

import re

from models_registry.target import Target

_FIRST = re.compile(r"(?:models/)?(?:gemini-(?:[12]\b|1[._-]|2[._-])|gemma|learnlm|text-|aqa)")
"""Models that go on without the signatures of their thinking."""
_BEFORE_VALIDATED = re.compile(
    r"(?:models/)?(?:gemini-(?:1\b|1[._-]|2\b(?!\.5)|pro(?!-latest))|gemma|learnlm|text-|aqa)"
)
"""Models that can't be held to the schemas of tools that they are free to call."""
_BUDGETED = re.compile(r"(?:models/)?gemini-(?:2\.5|flash-latest|flash-lite-latest|robotics-er-1\.5)")

_ALWAYS = re.compile(r"(?:models/)?gemini-2\.5-pro")


def wants_signatures(model: str) -> bool:
    """Whether the model refuses a call of the turn that goes on without its signature: Gemini 3 and later."""
    return _FIRST.match(model) is None


def validates_calls(model: str) -> bool:
    """Whether a model can be held to the schemas of its tools where no call is forced, as from Gemini 2.5
    on."""
    return _BEFORE_VALIDATED.match(model) is None


def takes_budget(target: Target) -> bool:
    """Whether a model's thinking has a budget in tokens. False: it has levels, as from Gemini 3 on."""
    facts = target.facts
    if facts is not None and facts.budgeted is not None:
        return facts.budgeted
    return _BUDGETED.match(target.model) is not None


def always_thinks(target: Target) -> bool:
    """Whether a model with a budget refuses the budget 0."""
    facts = target.facts
    return bool(facts is not None and facts.always_thinks) or _ALWAYS.match(target.model) is not None
