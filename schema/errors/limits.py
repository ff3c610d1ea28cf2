"""Refusals by budgets and limits."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest

RESET_AT = "%Y-%m-%d %H:%M:%S UTC"
"""How the header `reset_at` writes a moment, as LiteLLM does: `2026-11-29 12:01:00 UTC`."""


class UnboundedCost(InvalidRequest):
    """A call under a budget whose cost nobody can bound; `param` names the field."""

    word = "unbounded_cost"
    retry = False


class BudgetExceeded(GatewayError):
    """A budget is too small for the call, and nothing was sent. The message has the arithmetic. Waiting a
    moment does not help."""

    status = 422
    type = "budget_exceeded"
    word = "budget_exceeded"
    retry = False

    def __init__(self, message: str, *, status: int = 422, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self._status = status

    @property
    def http_status(self) -> int:
        return self._status


class Left(NamedTuple):
    """What is left of an account, in the unit of its meter."""

    account: str
    amount: int


class RateLimited(GatewayError):
    """A limit of this gateway. The answer's headers say which kind of limit, and when it begins anew."""

    status = 429
    type = "throttling_error"
    word = "rate_limit_exceeded"
    openai_code = "rate_limit_exceeded"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        limit_type: str = "requests",
        reset_at_s: float | None = None,
        left: Left | None = None,
    ) -> None:
        """`limit_type` is LiteLLM's word: `requests`, `tokens` or `max_parallel_requests`. `reset_at_s` is in
        seconds since 1970. `left` is what is left of the limit that was short."""
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.limit_type = limit_type
        self.left = left
        self.reset_at_s = reset_at_s

    @property
    def reply_headers(self) -> Mapping[str, str]:
        headers = {"rate_limit_type": self.limit_type}
        if self.reset_at_s is not None:
            headers["reset_at"] = datetime.fromtimestamp(math.ceil(self.reset_at_s), UTC).strftime(RESET_AT)
        return headers


class TooManyTokens(RateLimited):
    """A call that is larger than a whole limit on tokens. Waiting does not help."""

    word = "tokens_limit_exceeded"
    retry = False


class DeploymentAtLimit(RateLimited):
    """A limit or budget of one deployment, or of its provider. Another deployment may have room. `waits`: the
    deployment has room again as soon as one of its calls ends."""

    word = "deployment_at_limit"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        limit_type: str = "requests",
        reset_at_s: float | None = None,
        waits: bool = False,
    ) -> None:
        super().__init__(
            message, param=param, retry_after_s=retry_after_s, limit_type=limit_type, reset_at_s=reset_at_s
        )
        self.waits = waits
        self.takes_less = False
        """Whether the deployment may take the call if its answer is limited."""
        self.position: int | None = None
        """How many calls wait before this one. None: nobody waits."""

    @property
    def reply_headers(self) -> Mapping[str, str]:
        headers = dict(super().reply_headers)
        if self.position is not None:
            headers["x-switchgear-queue-position"] = str(self.position)
        return headers
