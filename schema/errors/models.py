"""Refusals of the way to a model: there is none, none that fits, or a rule about contents closes it."""

from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound


class ModelNotFound(NotFound):
    type = "invalid_request_error"
    word = "model_not_found"
    openai_code = "model_not_found"


class ModelInError(ModelNotFound):
    """A model that the config names, but no deployment of it can be called. The message gives the reasons by
    their paths in the config. Waiting does not help."""

    word = "deployment_in_error"
    retry = False


class NoDeploymentFits(InvalidRequest):
    """The model has deployments, and none of them is for what the request asks."""

    word = "no_deployment_fits"
    retry = False


class NotLocal(GatewayError):
    """The call may go to local deployments alone, and there is none for it."""

    status = 403
    type = "permission_error"
    word = "local_only"
    retry = False

    @classmethod
    def of(cls, model: str) -> "NotLocal":
        return cls(
            f"This call may go to local deployments alone (local_only), and the model `{model}` has none "
            "that can take it.",
            param="model",
        )


class GuardrailNotLocal(GatewayError):
    """The call may go to local places alone, and a guardrail that it has to pass is none. No other deployment
    would change that."""

    status = 403
    type = "permission_error"
    word = "guardrail_not_local"
    retry = False


class GuardrailRefused(InvalidRequest):
    """A guardrail, or a rule about contents, refuses what is asked, or what was answered. The message names
    it."""

    word = "guardrail_refused"
    openai_code = "content_filter"
    retry = False


class ModelTooLarge(InvalidRequest):
    """A model needs more memory than its local host has."""

    word = "model_too_large"
    retry = False
