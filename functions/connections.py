"""Whether a deployment would work: it is called once, before it is stored."""

import msgspec

from functions.calls.trial import TrialMode, tried
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ModelContext, TrialContext
from functions.rules.model_policy import checked_model, facts_of
from functions.rules.stored_values import merged
from models_registry.config.stored import StoredModel
from schema.connections import ConnectionResult, ConnectionTested, ConnectionTestRequest
from schema.errors.requests import InvalidRequest

CHAT = ("chat", "completion", "responses")
EMBEDDING = "embedding"
UNUSED = frozenset({"cache", "guardrails"})
"""The ports that a trial does without: its question is the gateway's own, and its answer goes to nobody."""


@function(
    "POST",
    "/health/test_connection",
    aliases=("/test/connection",),
    access=Access.CONNECTIONS_TEST,
    call_type="test_connection",
)
async def test_connection(request: ConnectionTestRequest, ctx: TrialContext) -> ConnectionTested:
    """Call a deployment once, with the smallest question, and say what is wrong in words. The call is booked
    as any other."""
    info = request.model_info or {}
    mode = _mode_of(request.mode or info.get("mode"))
    name = str(request.litellm_params.get("model") or "")[:200]
    params = merged({}, request.litellm_params, param="litellm_params").values
    model = StoredModel(
        model_id=ctx.call.request_id, model_name=name, litellm_params=params, model_info=facts_of(info, name)
    )
    checked_model(model, ctx.call.scope, ctx.registry.in_force())
    target = await ctx.registry.trial(model)
    if isinstance(target, str):
        return _failed(ConnectionResult(model=name, fault="config", error=target))
    ports = {name: getattr(ctx, name) for name in ModelContext.__struct_fields__ if name not in UNUSED}
    trial = await tried(target, mode, ModelContext(**ports))
    result = ConnectionResult(model=f"{target.provider}/{target.model}", took_ms=trial.took_ms)
    wrong = trial.diagnosis
    if wrong is not None:
        return _failed(
            msgspec.structs.replace(result, fault=wrong.fault.value, error=wrong.said, advice=wrong.advice)
        )
    return ConnectionTested(status="success", result=msgspec.structs.replace(result, answer=trial.answer))


def _failed(result: ConnectionResult) -> ConnectionTested:
    return ConnectionTested(status="error", result=result)


def _mode_of(word: object) -> TrialMode:
    if word is None or word in CHAT:
        return "chat"
    if word == EMBEDDING:
        return "embedding"
    raise InvalidRequest(
        f"mode: a model of the mode {str(word)[:50]!r} can't be tried; {', '.join((*CHAT, EMBEDDING))} can.",
        param="mode",
    )
