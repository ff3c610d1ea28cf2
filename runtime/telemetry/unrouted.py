"""Why a model call reached no deployment, as a label: a bounded set, whatever a caller asked for."""

import enum

from schema.errors import GatewayError, ModelInError, ModelNotAllowed, ModelNotFound, UnsupportedParameter


class UnroutedReason(enum.Enum):
    """What was wrong with the model that a call named."""

    UNKNOWN = "unknown"
    """No deployment has the name, nor a fallback that the request names."""
    NOT_ALLOWED = "not_allowed"
    """It is not on a list of models over the call."""
    IN_ERROR = "in_error"
    """The config names it, and none of its deployments can be called."""
    UNSUPPORTED = "unsupported"
    """Its provider has no endpoint for such calls: embeddings at Anthropic, say."""


def reason_of(error: GatewayError) -> UnroutedReason | None:
    """None for an error that is about anything but the model."""
    match error:
        case ModelNotFound():
            return UnroutedReason.UNKNOWN
        case ModelNotAllowed():
            return UnroutedReason.NOT_ALLOWED
        case ModelInError():
            return UnroutedReason.IN_ERROR
        case UnsupportedParameter(param="model"):
            return UnroutedReason.UNSUPPORTED
    return None
