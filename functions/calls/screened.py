"""The rules about contents, before anything of a call is decided: what they find may keep the call local, be
redacted, or end the call."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import msgspec

from functions.calls.guarded import CONTENT_RULES, GuardrailRecord
from functions.calls.off_loop import off_loop
from functions.calls.rewriting import remade
from functions.contract.call import Call
from functions.ports.guardrails import Guardrails
from models_registry.backends.dropping import WithFields
from models_registry.backends.parameters import CONSUMED, GATEWAY_FIELDS, STORE, STRIPPED
from models_registry.contents.rules import Action, RuleRefusal, Screening, screened
from schema.cache_options import CACHE_FIELD
from schema.errors.models import GuardrailRefused
from schema.labels import METADATA_FIELD

MODE = "pre_call"
RULE = "rule:"
"""How `stays_local` begins where a rule keeps the call local."""
R = TypeVar("R", bound=WithFields)
_NEVER_SENT = CONSUMED | STRIPPED | GATEWAY_FIELDS.keys() | {"model", METADATA_FIELD, CACHE_FIELD}
"""The fields of a request that no provider gets: `metadata` go out only where the answer is stored there."""
_WORDS: Mapping[Action, str] = MappingProxyType({Action.REDACT: "REDACTED", Action.LOCAL_ONLY: "LOCAL_ONLY"})


async def by_rules(request: R, call: Call, door: Guardrails) -> R:
    """The request as the rules let it through. `call` stays local from here on where one says so. Raises
    GuardrailRefused."""
    try:
        found = await judged(request, door)
    except RuleRefusal as refusal:
        _note(call, door, refusal.rule, "BLOCKED", 1)
        raise refused_by(refusal) from None
    for rule, (action, times) in found.counts.items():
        _note(call, door, rule, _WORDS[action], times)
    if found.local_by and not call.stays_local:
        call.keep_local(RULE + found.local_by)
    return request if found.fields is None else remade(request, found.fields)


async def judged(request: WithFields, door: Guardrails) -> Screening:
    """What the rules make of a request. A long one is read in a thread. Raises RuleRefusal."""
    fields = request.fields()
    is_stored = bytes(fields.get(STORE, b"")) == b"true"
    skipped = _NEVER_SENT - {METADATA_FIELD} if is_stored else _NEVER_SENT
    size = sum(len(bytes(raw)) for raw in fields.values())
    return await off_loop(size, screened, fields, door.rules.contents, skipped)


def refused_by(refusal: RuleRefusal) -> GuardrailRefused:
    """The error for a request that a rule refuses."""
    return GuardrailRefused(f"The rule `{refusal.rule}` refuses the request: {refusal.what}.")


def _note(call: Call, door: Guardrails, rule: str, action: str, times: int) -> None:
    record = GuardrailRecord(
        guardrail_name=rule,
        guardrail_provider=CONTENT_RULES,
        guardrail_mode=MODE,
        guardrail_status="guardrail_intervened",
        action=action,
        checks=times,
    )
    side, written = call.provider_side, msgspec.json.encode(record).decode()
    side.guardrails = f"{side.guardrails[:-1]},{written}]" if side.guardrails else f"[{written}]"
    door.counted(rule, MODE, action, 0.0)
