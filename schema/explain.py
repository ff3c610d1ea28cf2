"""Why a call would go where it would go: POST /route/explain."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schema.wire import Wire


class ExplainRequest(Wire, frozen=True, kw_only=True, dict=True):
    """The body of a model call, which is not made. `messages` are needed for what it could cost; tags, a
    session, a region, retries and fallbacks count as in a call, and so does the conversation behind a
    `previous_response_id`."""

    model: str


class ExplainedDrop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model, or one deployment of it, that is passed over."""

    model: str
    id: str = ""
    """The deployment. Empty: all of the model is passed over."""
    why: str
    """One of the words of `models_registry/drops.py`, such as `cooling`."""
    detail: str = ""


class ExplainedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A budget or limit over the call, and how it stands."""

    of: str
    """Whose it is, by LiteLLM's words: `api_key`, `team`, `user`, `organization`, `deployment` ..."""
    subject: str
    """What a message calls it: `team platform`."""
    kind: str
    """`budget` in dollars, `requests` or `tokens` a window, or `parallel_requests`."""
    limit: Decimal
    used: Decimal
    """What is used in the window that is open, with what calls under way hold and workers keep ready."""
    duration: str | None = None
    resets_at: datetime | None = None
    model: str | None = None
    """The model that it is for. Null: all models."""


class ExplainedCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that the call would come to."""

    model: str
    id: str
    provider: str
    provider_model: str
    api_base: str | None = None
    """For administrators alone."""
    fallbacks: int
    """How many models the call would have fallen back from."""
    state: str
    """`healthy`, `cooling`, `probing` or `unhealthy`, as the answering worker sees it."""
    local: bool
    """Whether a call that stays local may go there. Ollama is asked only by a real call whether it passes the
    model on to another host."""
    order: int | None = None
    weight: float
    price_source: str | None = None
    most_cost: Decimal | None = None
    """The most dollars that the attempt can cost. Null: it has no bound that is known, or nobody asked."""
    refuses: str | None = None
    """Why this deployment would refuse the request, such as a parameter that it has no word for."""
    limits: list[ExplainedRule] = []
    """The deployment's own limits and budgets. For administrators alone."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The error that the call would end with before anything is sent."""

    status: int
    reason: str
    """Our own word for the rule that refuses, as in `error.reason`."""
    message: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    """As the request names it."""
    public_name: str
    """The model that the name stands for."""
    strategy: str
    stays_local: str
    """Who says that the call goes to local deployments alone: `team`, `key`, `request` ... Empty: nobody."""
    candidates: list[ExplainedCandidate]
    """In the order in which they would be attempted if each attempt failed."""
    dropped: list[ExplainedDrop]
    budgets: list[ExplainedRule]
    """Those of the caller's key, team and user. Administrators see all levels."""
    limits: list[ExplainedRule]
    guardrails: list[str] = []
    """The guardrails that the call would pass at its first candidate. They are not asked."""
    rules: list[str] = []
    """The rules about contents that find something in the request."""
    refusal: Refusal | None = None
