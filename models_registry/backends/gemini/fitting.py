"""Fits a request to one of Google's models: what the model refuses is left out under `drop_params`."""

from models_registry.backends.fitting import Fitted, merged, refitted
from models_registry.backends.parameters import drops_params
from models_registry.facts.refusals import IS_DEFAULT
from models_registry.target import Target
from schema.chat import ChatRequest

REASONING = "reasoning_effort"
"""The translation finds the nearest level itself."""


def fitted(request: ChatRequest, target: Target) -> Fitted | None:
    """The request as its model takes it. None: it is fit as it came."""
    if not target.refuses or not drops_params(request, target):
        return None
    fields = merged(request, target)
    left = [
        name
        for name in sorted(target.refuses & fields.keys() - {REASONING})
        if bytes(fields[name]) != b"null" and bytes(fields[name]) not in IS_DEFAULT.get(name, ())
    ]
    for name in left:
        del fields[name]
    return refitted(fields, target, left) if left else None
