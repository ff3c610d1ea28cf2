"""Choices that tell that the answer failed, in streams and in whole answers."""

import msgspec

from models_registry.backends.provider_errors import error_inside
from models_registry.target import Target
from schema.errors.upstream import UpstreamCut, UpstreamError
from schema.wire import ABSENT, MaybeRaw, present

FAILED = "error"
"""The finish reason of an answer that failed (OpenRouter, Mistral)."""


class FailedChoice(msgspec.Struct, gc=False):
    """What a choice tells of a failure."""

    finish_reason: str | None = None
    error: MaybeRaw = ABSENT

    @property
    def failed(self) -> bool:
        return self.finish_reason == FAILED or present(self.error)


def choice_error(error: MaybeRaw, target: Target) -> UpstreamError:
    """The error for a choice that failed, with the `error` that stands in it."""
    if present(error):
        return error_inside(bytes(error), target)
    return UpstreamCut("The provider ended its answer with the finish reason 'error'.")
