"""The error of a call for which no deployment of its model is, and what that means for fallbacks."""

from collections.abc import Collection

from models_registry.drops import Drop, Reason
from models_registry.routing.choice import CallTraits
from models_registry.routing.failures import FailureKind
from models_registry.routing.tag_wish import wish_of
from schema.errors.base import GatewayError
from schema.errors.models import NoDeploymentFits, NotLocal
from schema.errors.requests import ContextLengthExceeded


def failure_of(drops: Collection[Drop]) -> FailureKind:
    """The kind of failure by whose list of fallbacks the call goes on."""
    too_long = bool(drops) and all(drop.reason is Reason.CONTEXT_TOO_SMALL for drop in drops)
    return FailureKind.CONTEXT_WINDOW if too_long else FailureKind.UNAVAILABLE


def error_of(model: str, drops: Collection[Drop], traits: CallTraits) -> GatewayError:
    """The error for the caller. It names the rule, and no deployment."""
    reasons = {drop.reason for drop in drops}
    if Reason.NOT_LOCAL in reasons:
        return NotLocal.of(model)
    if reasons == {Reason.CONTEXT_TOO_SMALL}:
        return ContextLengthExceeded(
            f"This request has about {traits.shape.input_tokens()} tokens, which is more than any deployment "
            f"of the model `{model}` takes (enable_pre_call_checks).",
            param="messages",
        )
    if Reason.OTHER_TAGS in reasons:
        tags = ", ".join(sorted(traits.tags)[:10])
        unclear = wish_of(tuple(traits.tags)).is_unclear
        more = " Behind `!` stands a tag, or one with groups such as `(a|b)`, and no other pattern."
        return NoDeploymentFits(
            f"No deployment of the model `{model}` is for the tags of this request: {tags or 'none'} "
            f"(enable_tag_filtering).{more if unclear else ''}",
            param="tags",
        )
    return NoDeploymentFits(
        f"No deployment of the model `{model}` is known to be in the region `{traits.region}` "
        "(allowed_model_region).",
        param="allowed_model_region",
    )
