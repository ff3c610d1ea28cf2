"""The reasons why a model call reached no deployment, for a label. The set is bounded, whatever a caller asks
for."""

import enum

from schema.errors.base import GatewayError
from schema.errors.callers import ModelNotAllowed
from schema.errors.models import ModelInError, ModelNotFound
from schema.errors.requests import UnsupportedParameter


class UnroutedReason(enum.Enum):
    """What was wrong with the model that a call named."""

    UNKNOWN = "unknown"
    """No deployment has the model's name, or the name of a fallback in the request."""
    NOT_ALLOWED = "not_allowed"
    """A list of models that limits the call does not have the model."""
    IN_ERROR = "in_error"
    """The config has the model, and none of its deployments can be called."""
    UNSUPPORTED = "unsupported"
    """The model's provider has no endpoint for such calls, such as Anthropic for embeddings."""


def reason_of(error: GatewayError) -> UnroutedReason | None:
    """The reason in an error. None for an error that is not about the model."""
    match error:
        case ModelInError():
            return UnroutedReason.IN_ERROR
        case ModelNotFound():
            return UnroutedReason.UNKNOWN
        case ModelNotAllowed():
            return UnroutedReason.NOT_ALLOWED
        case UnsupportedParameter(param="model"):
            return UnroutedReason.UNSUPPORTED
    return None
