"""The guardrails that a call passes: which they are, what each is asked, and what becomes of its answer.

A guardrail is asked before the call about the request, and after the call about the answer, a stream's in
windows. Every surface passes here, since its texts are found without knowing it
(`models_registry/contents/leaves.py`).
"""

import logging
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec

from functions.calls.off_loop import off_loop
from functions.calls.readers import Readers
from functions.calls.rewriting import fitting, rewritten
from functions.contract.call import Call
from functions.ports.guardrails import Guardrails, Verdict
from models_registry.backends.credentials import without_credentials
from models_registry.backends.dropping import WithFields
from models_registry.backends.parameters import GUARDRAILS_FIELD
from models_registry.config.guardrails import Guardrail, Moment
from models_registry.config.sections import GENERIC_GUARDRAIL
from models_registry.contents.rules import ContentRule, RuleRefusal, screened_answer
from models_registry.contents.texts import AnswerTexts, RequestTexts, Unreadable
from models_registry.contents.windows import HeldTooMuch, StreamWindow
from models_registry.target import Residency, Target
from schema.errors.base import GatewayError, shortened
from schema.errors.models import GuardrailNotLocal, GuardrailRefused
from schema.errors.overload import GuardrailUnavailable
from schema.errors.requests import InvalidRequest

CONTENT_RULES = "content_rules"
"""What stands for the provider of a rule's decision."""
MAX_ASKED = 20
MAX_REASON_CHARS = 500
MAX_RECORDS = 50
COUNTED_BYTES = 64 * 1024
"""A question that is longer counts among the bodies that the worker holds."""
APPLIED_HEADER = "x-litellm-applied-guardrails"
PASSED, CHANGED, REFUSED, FAILED = "NONE", "GUARDRAIL_INTERVENED", "BLOCKED", "FAILED"
REDACTED = "REDACTED"
STATUSES: Mapping[str, str] = MappingProxyType(
    {
        PASSED: "success",
        CHANGED: "guardrail_intervened",
        REFUSED: "guardrail_intervened",
        REDACTED: "guardrail_intervened",
        FAILED: "guardrail_failed_to_respond",
    }
)
"""LiteLLM's word for each outcome."""
R = TypeVar("R", bound=WithFields)
_NAMES = msgspec.json.Decoder(list[str] | None)
_FIELDS = msgspec.json.Encoder()

log = logging.getLogger(__name__)


class GuardrailRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one guardrail decided, as the row keeps it. LiteLLM's names."""

    guardrail_name: str
    guardrail_provider: str = ""
    guardrail_mode: str
    guardrail_status: str
    action: str
    """The guardrail's own word, or `FAILED` where it gave no usable one."""
    duration: float = 0.0
    """How long it was waited for, in seconds."""
    checks: int = 1
    """How often it was asked: of a stream, once for each window."""


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a guardrail is asked, by LiteLLM's names."""

    input_type: str
    litellm_call_id: str
    texts: Sequence[str]
    images: Sequence[str] = ()
    tools: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    structured_messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    model: str | msgspec.UnsetType = msgspec.UNSET
    request_data: Mapping[str, str | None] | msgspec.UnsetType = msgspec.UNSET
    litellm_trace_id: str | msgspec.UnsetType | None = msgspec.UNSET
    additional_provider_specific_params: msgspec.Raw


def asked_for(fields: Mapping[str, msgspec.Raw]) -> tuple[str, ...]:
    """The guardrails that a request wants to pass. Raises InvalidRequest."""
    raw = fields.get(GUARDRAILS_FIELD)
    if raw is None:
        return ()
    try:
        names = _NAMES.decode(raw) or []
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(
            f"{GUARDRAILS_FIELD}: expected a list of names of guardrails.", param=GUARDRAILS_FIELD
        ) from exc
    if len(names) > MAX_ASKED:
        raise InvalidRequest(f"{GUARDRAILS_FIELD}: at most {MAX_ASKED} of them.", param=GUARDRAILS_FIELD)
    return tuple(names)


class Guarding(Generic[R]):
    """The guardrails of one call. `wanted` are those that its request names."""

    __slots__ = ("_before", "_call", "_door", "_passed", "_records", "_request", "_rules", "_wanted")

    def __init__(self, call: Call, door: Guardrails, request: R, wanted: Sequence[str]) -> None:
        self._call = call
        self._door = door
        self._rules = door.rules
        self._wanted = wanted
        self._passed: set[str] = set()
        self._before = call.provider_side.guardrails
        """What rules about contents decided before."""
        self._records: dict[tuple[str, str, str], GuardrailRecord] = {}
        self._request = request
        """The request as the guardrails left it."""

    def over(self, target: Target, moment: Moment) -> list[Guardrail]:
        """The guardrails of a call to a deployment, in the order of the config. Raises GuardrailUnavailable
        for one that is not in force, and GuardrailNotLocal for one that a call which stays local may not
        ask, at whichever moment it is asked: nothing is sent before it is sure that all can be."""
        found = self._rules.guardrails
        names = {*self._rules.defaults, *self._call.caller.guardrails, *target.guardrails, *self._wanted}
        for name in sorted(names - found.keys()):
            if name in self._wanted:
                raise InvalidRequest(
                    f"{GUARDRAILS_FIELD}: there is no guardrail {shortened(name, 64)!r}.",
                    param=GUARDRAILS_FIELD,
                )
            raise GuardrailUnavailable(
                f"The guardrail {shortened(name, 64)!r}, which this call has to pass, is not in force: an "
                "administrator has to mend the config."
            )
        applied = [each for name, each in found.items() if name in names]
        if self._call.stays_local:
            for each in applied:
                if not each.residency.is_local:
                    raise not_local(each)
        return [each for each in applied if moment in each.moments]

    def readers(self, target: Target) -> Readers | None:
        """Who reads an answer of a deployment. None: nobody does. Raises as `over` does."""
        rules, guardrails = self._rules.contents.answers, self.over(target, Moment.AFTER)
        return Readers(rules, guardrails) if rules or guardrails else None

    async def before(self, target: Target) -> R:
        """The request as the guardrails let it through. What was asked for an earlier attempt is not asked
        again. Raises GuardrailRefused, GuardrailUnavailable and GuardrailNotLocal."""
        for guardrail in self.over(target, Moment.BEFORE):
            if guardrail.name in self._passed:
                continue
            fields = self._request.fields()
            try:
                found = RequestTexts(fields)
            except Unreadable as exc:
                raise InvalidRequest(f"The request can't be read for its guardrails: it {exc}.") from exc
            if found.tokens:
                raise InvalidRequest(
                    f"{found.tokens}: the guardrail `{guardrail.name}` can't read numbers of tokens; send "
                    "the text.",
                    param=found.tokens,
                )
            shown = guardrail.sends_images and "images" not in guardrail.left_out
            images = [leaf.text for leaf in found.files] if shown else []
            verdict = await self._asked(
                guardrail, Moment.BEFORE, found.texts, images, fields=fields, model=target.public_name
            )
            self._passed.add(guardrail.name)
            if verdict is not None:
                self._request = rewritten(self._request, found, verdict, guardrail)
        return self._request

    async def after(self, readers: Readers, texts: list[str], model: str) -> list[str] | None:
        """Have texts of an answer read. Gives what is to stand in their places; None: they stay. Raises
        GuardrailRefused and GuardrailUnavailable."""
        ruled = await self._ruled(readers.rules, texts) if readers.rules else None
        now, changed = texts if ruled is None else ruled, ruled is not None
        for guardrail in readers.guardrails:
            said = await self._asked(guardrail, Moment.AFTER, now, [], model=model)
            if said is not None and said.texts is not None:
                now, changed = list(said.texts), True
        return now if changed else None

    async def _ruled(self, rules: Sequence[ContentRule], texts: list[str]) -> list[str] | None:
        """What rules about contents put in place of texts of an answer; None: they stay."""
        try:
            found = await off_loop(sum(map(len, texts)), screened_answer, texts, rules)
        except RuleRefusal as refusal:
            self._note_rule(refusal.rule, REFUSED)
            raise GuardrailRefused(f"The rule `{refusal.rule}` refuses the answer: {refusal.what}.") from None
        for rule in found.rules:
            self._note_rule(rule, REDACTED)
        return None if found.texts is None else list(found.texts)

    def _note_rule(self, rule: str, action: str) -> None:
        self._record(rule, CONTENT_RULES, Moment.AFTER.value, action, 0.0)
        self._door.counted(rule, Moment.AFTER.value, action, 0.0)

    async def tried(self, guardrail: Guardrail, moment: Moment, text: str) -> str:
        """A text as one guardrail lets it through. Raises as `after` does."""
        said = await self._asked(guardrail, moment, [text], [], model="")
        return text if said is None or said.texts is None else said.texts[0]

    async def answer(self, readers: Readers, body: bytes, model: str) -> bytes | None:
        """Have a whole answer read. Gives it as it is to be sent; None: it stays. Raises as `after` does."""
        try:
            found = AnswerTexts(body)
        except Unreadable as exc:
            raise unreadable(readers) from exc
        if not found.texts:
            return None
        texts = await self.after(readers, found.texts, model)
        return None if texts is None else found.changed(texts)

    async def stream(self, readers: Readers, body: bytes, model: str) -> bytes | None:
        """The same for the events of a stream that is over."""
        window = StreamWindow(window_chars=1, held_chars=0)
        try:
            window.feed(body)
        except (Unreadable, HeldTooMuch) as exc:
            raise unreadable(readers) from exc
        texts = await self.after(readers, window.texts, model) if window.has_unread else None
        return window.rest() if window.read(texts) else None

    async def _asked(
        self,
        guardrail: Guardrail,
        moment: Moment,
        texts: list[str],
        images: list[str],
        *,
        model: str,
        fields: Mapping[str, msgspec.Raw] | None = None,
    ) -> Verdict | None:
        """What a guardrail puts in place of something; None: everything stays."""
        if not texts and not images and not (fields and "tools" in fields):
            return None
        call = self._call
        question = _FIELDS.encode(_question(guardrail, moment, call, texts, images, fields or {}, model))
        if len(question) > COUNTED_BYTES:
            call.take_room(len(question))
        near = guardrail.residency is Residency.LOCAL or bool(
            call.stays_local and guardrail.residency is not Residency.TRUSTED
        )
        began = time.monotonic()
        status = FAILED
        try:
            verdict = await self._door.ask(
                guardrail, question, texts=len(texts), images=len(images), near=near
            )
            verdict = fitting(verdict, guardrail, _shown_messages(guardrail, fields or {}))
            status = _status_of(verdict, texts, images)
        except GuardrailUnavailable as error:
            if not (guardrail.opens_failed or (guardrail.opens_unreached and error.unreached)):
                raise
            log.critical("request %s passes its guardrail: %s", call.request_id, error.message)
            return None
        finally:
            took_s = time.monotonic() - began
            call.provider_side.waited_s += took_s
            self._record(guardrail.name, GENERIC_GUARDRAIL, moment.value, status, took_s)
            self._door.counted(guardrail.name, moment.value, status, took_s)
        if verdict.refuses:
            what = "request" if moment is Moment.BEFORE else "answer"
            reason = told_reason(verdict.reason, guardrail)
            raise GuardrailRefused(f"The guardrail `{guardrail.name}` refuses the {what}{reason}")
        return verdict if status == CHANGED else None

    def _record(self, name: str, provider: str, mode: str, status: str, took_s: float) -> None:
        """Note a decision for the row. Windows with the same one are noted together."""
        records = self._records
        known = records.get((name, mode, status))
        if known is not None:
            known.checks += 1
            known.duration = round(known.duration + took_s, 4)
        elif len(records) < MAX_RECORDS:
            records[name, mode, status] = GuardrailRecord(
                guardrail_name=name,
                guardrail_provider=provider,
                guardrail_mode=mode,
                guardrail_status=STATUSES[status],
                action=status,
                duration=round(took_s, 4),
            )
        self._call.reply_headers[APPLIED_HEADER] = ",".join(
            dict.fromkeys(each.guardrail_name for each in records.values())
        )
        written = msgspec.json.encode(list(records.values())).decode()
        self._call.provider_side.guardrails = (
            f"{self._before[:-1]},{written[1:]}" if self._before else written
        )


def _status_of(verdict: Verdict, texts: Sequence[str], images: Sequence[str]) -> str:
    if verdict.refuses:
        return REFUSED
    now = (verdict.texts or texts, verdict.images or images)
    changed = any(list(after) != list(before) for after, before in zip(now, (texts, images), strict=True))
    return CHANGED if changed or verdict.messages is not None else PASSED


def _question(  # noqa: PLR0913  (it is what a question is made of)
    guardrail: Guardrail,
    moment: Moment,
    call: Call,
    texts: Sequence[str],
    images: Sequence[str],
    fields: Mapping[str, msgspec.Raw],
    model: str,
) -> Question:
    caller = call.caller
    whole: dict[str, Any] = {
        "images": images,
        "model": model,
        "litellm_trace_id": call.trace_id,
        "request_data": {
            "user_api_key_hash": caller.key_hash,
            "user_api_key_alias": caller.key_alias,
            "user_api_key_user_id": caller.user_id or None,
            "user_api_key_team_id": caller.team_id,
            "user_api_key_org_id": caller.organization_id,
            "user_api_key_end_user_id": call.customer,
        },
    }
    if "tools" in fields:
        whole["tools"] = fields["tools"]
    messages = _shown_messages(guardrail, fields)
    if messages is not None:
        whole["structured_messages"] = messages
    return Question(
        input_type="request" if moment is Moment.BEFORE else "response",
        litellm_call_id=call.request_id,
        texts=texts,
        additional_provider_specific_params=guardrail.params,
        **{name: value for name, value in whole.items() if name not in guardrail.left_out},
    )


def _shown_messages(guardrail: Guardrail, fields: Mapping[str, msgspec.Raw]) -> msgspec.Raw | None:
    """The messages as a guardrail is shown them. None: it is not."""
    return fields.get("messages") if guardrail.sends_images else None


def told_reason(reason: str, guardrail: Guardrail) -> str:
    """What a guardrail says of a refusal, as the caller is told it: without a credential."""
    if guardrail.api_key is not None:
        reason = reason.replace(guardrail.api_key.reveal(), "***")
    for value in guardrail.headers.values():
        reason = reason.replace(value.reveal(), "***") if value.reveal() else reason
    reason = without_credentials(shortened(" ".join(reason.split()), MAX_REASON_CHARS))
    return f": {reason}" if reason else "."


def not_local(guardrail: Guardrail) -> GuardrailNotLocal:
    return GuardrailNotLocal(
        f"This call may go to local places alone (local_only), and the guardrail `{guardrail.name}`, which "
        "it has to pass, is none."
    )


def unreadable(readers: Readers) -> GatewayError:
    """The answer can't be read, so nobody judges it, and nobody is sent it."""
    return GuardrailUnavailable(f"The answer can't be read for {readers.told}, and is not sent.")
