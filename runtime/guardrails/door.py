"""The way out to guardrails. Implements `functions.ports.guardrails.Guardrails`.

A guardrail is called by the client that calls providers, since its address is judged as theirs are. What it
answers is not trusted: too long, late, or in another shape, it counts as no answer.
"""

import asyncio

import msgspec

from functions.ports.guardrails import Verdict
from functions.ports.models import Upstream, UpstreamResponse
from models_registry.backends.backend import UpstreamRequest
from models_registry.config.guardrails import KEY_HEADER, Guardrail, GuardrailRules
from runtime.telemetry.tally import Tally
from schema.errors.models import GuardrailNotLocal, NotLocal
from schema.errors.overload import GuardrailUnavailable
from schema.errors.upstream import UpstreamError, UpstreamTimeout, UpstreamUnreachable

SPARE_BYTES = 1024 * 1024
"""An answer may be twice as long as its question, and so much longer."""
UNREACHED_STATUSES = frozenset({502, 503, 504})
"""What a proxy says that did not reach the guardrail."""
OK = 200


class _Answer(msgspec.Struct, frozen=True):
    action: str
    blocked_reason: str | None = None
    texts: list[str] | None = None
    images: list[str] | None = None
    structured_messages: msgspec.Raw = msgspec.Raw(b"null")


_ANSWERS = msgspec.json.Decoder(_Answer)


class GuardrailDoor:
    """The guardrails of a worker."""

    def __init__(self, rules: GuardrailRules, upstream: Upstream, tally: Tally) -> None:
        self._upstream = upstream
        self._tally = tally
        self._turns: dict[str, asyncio.Semaphore] = {}
        self.use(rules)

    def use(self, rules: GuardrailRules) -> None:
        """Go by these rules from now on. A call under way keeps those that it began with."""
        self.rules = rules
        self._turns = {name: asyncio.Semaphore(each.at_once) for name, each in rules.guardrails.items()}

    async def ask(
        self, guardrail: Guardrail, question: bytes, *, texts: int, images: int = 0, near: bool
    ) -> Verdict:
        """See Guardrails."""
        turns = self._turns.get(guardrail.name) or asyncio.Semaphore(guardrail.at_once)
        try:
            async with asyncio.timeout(guardrail.deadlines.total_s), turns:
                status, body = await self._asked(guardrail, question, near=near)
        except TimeoutError as exc:
            raise _late(guardrail) from exc
        if status != OK:
            raise _failed(guardrail, f"answered with status {status}", unreached=status in UNREACHED_STATUSES)
        return _verdict(guardrail, body, texts, images)

    def counted(self, name: str, moment: str, status: str, took_s: float) -> None:
        """See Guardrails."""
        self._tally.guardrail(name, moment, status, took_s)

    async def _asked(self, guardrail: Guardrail, question: bytes, *, near: bool) -> tuple[int, bytes]:
        headers = {name: value.reveal() for name, value in guardrail.headers.items()}
        if guardrail.api_key is not None:
            headers[KEY_HEADER] = guardrail.api_key.reveal()
        headers["content-type"] = "application/json"
        request = UpstreamRequest(url=guardrail.url, headers=headers, body=question)
        try:
            response = await self._upstream.open(request, guardrail.deadlines, near=near)
            try:
                return response.status, await _body(response, guardrail, 2 * len(question) + SPARE_BYTES)
            finally:
                response.close()
        except NotLocal as exc:
            raise GuardrailNotLocal(
                f"This call may go to local places alone (local_only), and the guardrail `{guardrail.name}`, "
                "which it has to pass, leads to a public address."
            ) from exc
        except UpstreamUnreachable as exc:
            raise _failed(guardrail, "could not be reached", unreached=True) from exc
        except UpstreamTimeout as exc:
            raise _late(guardrail) from exc
        except UpstreamError as exc:
            raise _failed(guardrail, "broke off its answer", unreached=True) from exc


async def _body(response: UpstreamResponse, guardrail: Guardrail, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in response.chunks():
        size += len(piece)
        if size > most:
            raise _failed(guardrail, f"answered with more than {most} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _verdict(guardrail: Guardrail, body: bytes, texts: int, images: int) -> Verdict:
    try:
        said = _ANSWERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _failed(guardrail, "gave an answer of another shape") from exc
    match said.action:
        case "BLOCKED":
            return Verdict(refuses=True, reason=said.blocked_reason or "")
        case "NONE":
            return Verdict()
        case "GUARDRAIL_INTERVENED":
            return _changes(guardrail, said, texts, images)
    raise _failed(guardrail, "gave an answer without an action that is known")


def _changes(guardrail: Guardrail, said: _Answer, texts: int, images: int) -> Verdict:
    """What a guardrail changes: all of the texts, all of the images, the messages. What it does not give
    stays."""
    for changed, number, noun in ((said.texts, texts, "texts"), (said.images, images, "images")):
        if changed is not None and len(changed) != number:
            raise _failed(guardrail, f"changes something, and did not give all of the {number} {noun}")
    given = said.structured_messages
    messages = None if bytes(given) == b"null" else given
    if said.texts is None and said.images is None and messages is None:
        raise _failed(guardrail, f"changes something, and did not give all of the {texts} texts")
    return Verdict(
        texts=None if said.texts is None else tuple(said.texts),
        images=None if said.images is None else tuple(said.images),
        messages=messages,
    )


def _late(guardrail: Guardrail) -> GuardrailUnavailable:
    return _failed(guardrail, f"did not answer within {guardrail.deadlines.total_s:g} s", unreached=True)


def _failed(guardrail: Guardrail, what: str, *, unreached: bool = False) -> GuardrailUnavailable:
    error = GuardrailUnavailable(f"The guardrail `{guardrail.name}` {what}.")
    error.unreached = unreached
    return error
