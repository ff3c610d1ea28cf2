"""Guardrails: which there are, and a question to one of them."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from functions.calls.guarded import Guarding
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import GuardrailContext
from models_registry.config.guardrails import Guardrail, Moment
from models_registry.config.sections import GENERIC_GUARDRAIL
from schema.errors.base import shortened
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.guardrails import (
    Applied,
    ApplyRequest,
    GuardrailList,
    GuardrailsQuery,
    ShownGuardrail,
    ShownParams,
)
from schema.undeclared import refuse_undeclared

MOMENTS: Mapping[str, Moment] = MappingProxyType({"request": Moment.BEFORE, "response": Moment.AFTER})


@function("GET", "/guardrails/list", aliases=("/v2/guardrails/list",), access=Access.MODELS_READ)
async def list_guardrails(request: GuardrailsQuery, ctx: GuardrailContext) -> GuardrailList:
    """List the guardrails in force, without their addresses and credentials, the names of those that are not,
    and the names of the rules about contents."""
    rules = ctx.guardrails.rules
    return GuardrailList(
        guardrails=[_shown(each) for each in rules.guardrails.values()],
        not_in_force=list(rules.missing),
        rules=list(dict.fromkeys(each.name for each in (*rules.contents.rules, *rules.contents.answers))),
    )


@function("POST", "/guardrails/apply_guardrail", access=Access.SETTINGS_WRITE)
async def apply_guardrail(request: ApplyRequest, ctx: GuardrailContext) -> Applied:
    """Ask a guardrail about a text, as a call would. 400 where the guardrail refuses it."""
    refuse_undeclared(request)
    guardrail = ctx.guardrails.rules.guardrails.get(request.guardrail_name)
    if guardrail is None:
        raise NotFound(
            f"There is no guardrail {shortened(request.guardrail_name, 64)!r}.", param="guardrail_name"
        )
    if request.input_type not in MOMENTS:
        raise InvalidRequest("input_type: expected request or response.", param="input_type")
    guarding = Guarding(ctx.call, ctx.guardrails, request, ())
    told = await guarding.tried(guardrail, MOMENTS[request.input_type], request.text)
    return Applied(response_text=told)


def _shown(guardrail: Guardrail) -> ShownGuardrail:
    return ShownGuardrail(
        guardrail_name=guardrail.name,
        litellm_params=ShownParams(
            guardrail=GENERIC_GUARDRAIL,
            mode=sorted((each.value for each in guardrail.moments), reverse=True),
            default_on=guardrail.default_on,
            unreachable_fallback="fail_open" if guardrail.opens_unreached else "fail_closed",
            fail_on_error=not guardrail.opens_failed,
            residency="local" if guardrail.residency.is_local else "cloud",
        ),
        guardrail_info=msgspec.json.decode(guardrail.info),
    )
