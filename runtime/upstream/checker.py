"""Checks one deployment: by the list of its models, which costs nothing, or by a call, which is booked."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec
import structlog

from functions.calls.trial import MAX_TOKENS, TrialMode, tried
from functions.contract.call import Call, Caller
from functions.contract.roles import SERVICE_KEY
from functions.ports.context import ModelContext
from functions.ports.models import Upstream
from models_registry.backends.models_list import flaw_in, models_request
from models_registry.config.diagnosis import Fault
from models_registry.config.wildcards import priced
from models_registry.model_names import STAR
from models_registry.numbers import BadDeployment, number
from models_registry.target import Deadlines, Residency, Target
from models_registry.turns.facts import CallFacts
from schema.errors.base import GatewayError

CHECKER = "switchgear_health_check"
"""What stands for the key in spend rows of checks."""
TAG = "health-check"
LIST_S = 10.0
CALL_S = 60.0
MAX_TIMEOUT = Decimal(600)
CHAT_MODES = (None, "chat", "completion", "responses")
MAX_ERROR_CHARS = 300

log = structlog.get_logger("switchgear.health")
How = Literal["models", "call", "none"]


class CheckFound(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    target: Target
    ok: bool
    error: str = ""
    took_ms: float = 0.0
    how: How = "models"
    checked_at: datetime


class Checker:
    """Makes checks. `context` gives what a call to a model needs."""

    def __init__(self, upstream: Upstream, context: Callable[[Call], ModelContext]) -> None:
        self._upstream = upstream
        self._context = context

    async def check(self, target: Target) -> CheckFound:
        """Check a deployment. It raises nothing but CancelledError."""
        how = how_of(target)
        began, at = time.monotonic(), datetime.now(UTC)
        try:
            error = "" if how == "none" else await self._error_of(target, how)
        except GatewayError as exc:
            error = exc.message
        except Exception as exc:
            log.error("health check failed", model_id=target.model_id, exc_info=exc)
            error = "the check failed; the gateway's log says why"
        return CheckFound(
            target=target,
            ok=not error,
            error=error[:MAX_ERROR_CHARS],
            took_ms=(time.monotonic() - began) * 1000,
            how=how,
            checked_at=at,
        )

    async def _error_of(self, target: Target, how: How) -> str:
        return await (self._by_call(target) if how == "call" else self._by_list(target))

    async def _by_list(self, target: Target) -> str:
        request = models_request(target, CallFacts(request_id="", created=0))
        if request is None:
            return ""
        timeout_s = timeout_of(target, LIST_S)
        deadlines = Deadlines(
            connect_s=min(LIST_S, timeout_s), first_byte_s=timeout_s, idle_s=timeout_s, total_s=timeout_s
        )
        near = target.residency is Residency.LOCAL
        response = await self._upstream.open(request, deadlines, near=near, judged=target.judged)
        try:
            body = await response.read()
        finally:
            response.close()
        return flaw_in(response.status, body, target)

    async def _by_call(self, target: Target) -> str:
        """What is wrong, by a call of a few tokens. A model that finds the little question wrong answers."""
        caller = Caller(role=SERVICE_KEY, key_hash=CHECKER, key_alias="health check")
        call = Call(
            request_id=str(uuid.uuid4()),
            call_type="acompletion",
            received_at=datetime.now(UTC),
            received_mono=time.monotonic(),
            caller=caller,
            tags=(TAG,),
        )
        named = target.info.get("health_check_model")
        if isinstance(named, str) and named:
            found = priced(target, named.partition("/")[2] or named, datetime.now(UTC))
            target = msgspec.structs.replace(found, peers=1)
        mode: TrialMode = "embedding" if target.info.get("mode") == "embedding" else "chat"
        limit = timeout_of(target, CALL_S)
        deadlines = target.deadlines.asked(limit, None)
        given = target.info.get("health_check_max_tokens")
        most = given if isinstance(given, int) and given >= 1 else MAX_TOKENS
        trial = await tried(target.under(deadlines), mode, self._context(call), max_tokens=most)
        wrong = trial.diagnosis
        return "" if wrong is None or wrong.fault is Fault.REQUEST else wrong.said


def how_of(target: Target) -> How:
    """How a deployment is checked. A wildcard has no model to call, unless `health_check_model` names one."""
    asked = target.info.get("health_check")
    if asked == "call":
        callable_ = STAR not in target.model or bool(target.info.get("health_check_model"))
        if callable_ and target.info.get("mode") in (*CHAT_MODES, "embedding"):
            return "call"
    if asked == "none" or models_request(target, CallFacts(request_id="", created=0)) is None:
        return "none"
    return "models"


def timeout_of(target: Target, usual_s: float) -> float:
    """How long a check of a deployment may take, in seconds."""
    given = target.info.get("health_check_timeout")
    if given is None:
        return usual_s
    try:
        return max(0.1, float(number(given, "health_check_timeout", most=MAX_TIMEOUT)))
    except BadDeployment:
        return usual_s
