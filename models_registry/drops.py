"""What a call's route passes over, and why. A drop is a value, so that the route can be explained."""

import enum

import msgspec


class Reason(enum.Enum):
    """Why a candidate is not attempted."""

    UNKNOWN = "unknown"
    """No model has this name."""
    NOT_ALLOWED = "not_allowed"
    """A list of models over the caller does not have the model."""
    IN_ERROR = "in_error"
    """The config of the deployment is wrong."""
    NOT_LOCAL = "not_local"
    """The call must stay local, and the deployment is not. Or the call is at a local model, and the fallback,
    which is in the list for any model, is not local."""
    ALREADY_TRIED = "already_tried"
    """The call was at this model before."""
    CONTEXT_TOO_SMALL = "context_too_small"
    """The request is too long for the model: by the count of its tokens, or as another deployment of the
    model answered."""
    SAME_ANSWER = "same_answer"
    """This deployment, or another one of the model, refused the request before. It would do so again."""
    STAYS_AWAY = "stays_away"
    """The provider said to come back in more than a minute."""
    WAITS_TOO_LONG = "waits_too_long"
    """With the wait before this attempt, the waits of the call would add up to more than they may."""
    NO_RETRIES_LEFT = "no_retries_left"
    """The retries of the model are used up."""
    NO_FALLBACK_WANTED = "no_fallback_wanted"
    """The request, or the config for this kind of error, wants no fallback."""
    CHAIN_TOO_LONG = "chain_too_long"
    """More fallbacks come before this one than `max_fallbacks` allows."""
    COOLING = "cooling"
    """The deployment failed too often, and is left alone for a while."""
    UNHEALTHY = "unhealthy"
    """The deployment's last health check failed."""
    AT_LIMIT = "at_limit"
    """A limit or a budget of the deployment, or of its provider, has no room for the call."""
    OTHER_TAGS = "other_tags"
    """The deployment is not for the request's tags."""
    OTHER_REGION = "other_region"
    """The deployment is not in the region that the request asks for, or nobody knows where it is."""
    NO_RETRY_BUDGET = "no_retry_budget"
    """So much is retried already that more retries would make things worse."""
    TOO_MANY = "too_many"
    """The call made as many attempts, or came to as many models, as a call may."""


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """A model, or one deployment of it, that is passed over."""

    model: str
    """Its public name, such as `gpt-4o`."""
    reason: Reason
    model_id: str | None = None
    """The deployment. None: all of the model is passed over, or the deployment has no id."""
    detail: str = ""
    """More about the reason: whose list lacks the model (`key`, `team`), what is wrong with the config, or
    what the deployment cools down for and how long."""

    def __str__(self) -> str:
        return f"{self.model_id or self.model}: {self.reason.value}"
