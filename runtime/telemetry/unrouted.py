"""Why a model call reached no deployment, as a label: a bounded set, whatever a caller asked for."""

import enum

from schema.errors import GatewayError, ModelInError, ModelNotAllowed, ModelNotFound, UnsupportedParameter


class Reason(enum.Enum):
    """What was wrong with the model that a call named."""

    UNKNOWN = "unknown"
    """No deployment has the name, nor a fallback that the request names."""
    NOT_ALLOWED = "not_allowed"
    """It is not on a list of models over the call."""
    IN_ERROR = "in_error"
    """The config names it, and none of its deployments can be called."""
    UNSUPPORTED = "unsupported"
    """Its provider has no endpoint for such calls: embeddings at Anthropic, say."""


def reason_of(error: GatewayError) -> Reason | None:
    """None for an error that is about anything but the model."""
    match error:
        case ModelNotFound():
            return Reason.UNKNOWN
        case ModelNotAllowed():
            return Reason.NOT_ALLOWED
        case ModelInError():
            return Reason.IN_ERROR
        case UnsupportedParameter(param="model"):
            return Reason.UNSUPPORTED
    return None
