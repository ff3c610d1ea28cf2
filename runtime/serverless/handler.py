"""`runtime.serverless.handler.handler`: one named function of the catalogue as a serverless deployment.

`SWITCHGEAR_FUNCTION` names the function, or a family such as `keys`. Each event opens the parts of a worker,
calls the function by the same `Endpoint.invoke` as HTTP, closes the parts and books the call's row. Only then
the answer is given: a platform freezes the process afterwards, and a frozen process books nothing.
"""

import asyncio
import logging
import math
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import Any

from functions.contract.function import StreamForm
from models_registry.config.reader import read_config
from runtime.blueprint import Blueprint, check
from runtime.config_file import load_document
from runtime.intake.body_room import HeldRoom
from runtime.intake.coded_body import CodedBody, coding_of
from runtime.invoke import Endpoint, Gateway, Incoming
from runtime.process.logs import LineBuffer, set_up_logs
from runtime.reply import Reply, error_reply
from runtime.serverless.events import (
    MAX_ANSWER_BYTES,
    FunctionAnswer,
    HttpEvent,
    answer_of,
    event_of,
    fits,
    in_base64,
)
from runtime.serverless.routes import FoundFunction, routes_of
from runtime.serving.books_process import BOOK_S
from runtime.serving.checks import check_all
from runtime.serving.serve import salted, settings_of
from runtime.serving.single_call import SingleCall
from runtime.settings import environment, read_settings
from runtime.web.door import query_of
from runtime.web.sending import sse_of
from schema.errors.base import GatewayError
from schema.errors.forms import ErrorForm, openai_form
from schema.errors.overload import SHUTTING_DOWN, ShuttingDown
from schema.errors.requests import BodyTooLarge, InvalidRequest, UnsupportedParameter

FUNCTION = "SWITCHGEAR_FUNCTION"
CONFIG = "CONFIG_FILE_PATH"
RESERVE_S = 5.0
"""How long before the platform's deadline a call is ended, so that its row can still be booked."""
NO_TIME = "The time of this deployment's function is up; give it more time, or ask for a shorter answer."
TOO_LARGE = (
    "The answer is longer than the 6 MiB that a function may give; ask for less. A call of a model was made, "
    "and its row is in the ledger."
)

log = logging.getLogger(__name__)


class Unfit(Exception):
    """A deployment that can't serve. The message says what to change."""


class NoStreams:
    """Refuses a streamed call before anything is asked or held. Implements `runtime.invoke.EarlyHead`."""

    def mind(self, form: StreamForm, head: Callable[[], Sequence[tuple[bytes, bytes]]]) -> None:
        """Raises UnsupportedParameter."""
        raise UnsupportedParameter(
            "stream: this deployment gives each answer whole, since its platform hands over one response for "
            "each event. Leave `stream` out, or call a gateway that is served over HTTP.",
            param="stream",
        )

    def sent(self) -> None:
        """See Silence."""

    def comment(self, data: bytes) -> None:
        """See Silence."""


class ServedFunction:
    """What is decided once for each process: the function, the config, the settings."""

    def __init__(self, env: Mapping[str, str], logs: LineBuffer) -> None:
        """Check everything, and bring the database's tables up to date. Raises Unfit, SettingsError,
        ConfigFileError and UnknownFunction."""
        name = env.get(FUNCTION, "")
        if not name:
            raise Unfit(f"{FUNCTION}: name the function of this deployment, such as chat, keys or spend")
        self.routes = routes_of(name)
        env = {"SWITCHGEAR_DATA": str(Path(tempfile.gettempdir()) / "switchgear"), **env}
        document = load_document(Path(env[CONFIG])) if env.get(CONFIG) else {}
        if read_config(document, env).master_key is None and read_settings(env).master_key is None:
            raise Unfit("SWITCHGEAR_MASTER_KEY: set it, else each process would make a key of its own")
        settings, master_key, _ = settings_of(document, env)
        if settings.database_url is None:
            raise Unfit("DATABASE_URL: a function has no Postgres of its own; name the one of all functions")
        self.blueprint = Blueprint(
            document=document,
            env=env,
            settings=salted(settings),
            master_key=master_key,
            dsn=settings.database_url,
        )
        self._logs = logs
        try:
            check_all(self.blueprint, workers=0)
        except SystemExit as exc:
            raise Unfit("the config or the database can't be used; the log says why") from exc
        self._checked = check(document, env)

    def answer(self, raw: object, *, left_s: float | None) -> FunctionAnswer:
        """Answer one event. `left_s` is how long the platform lets it work. Raises nothing."""
        ends_mono = None if left_s is None else time.monotonic() + left_s
        try:
            event = event_of(raw)
            found = self.routes.find(event.method, event.path(self.blueprint.settings.root_path))
        except GatewayError as error:
            return _refusal(openai_form, error)
        form = found.entry.manifest.error_form
        try:
            return asyncio.run(self._answered(event, found, ends_mono))
        except GatewayError as error:
            return _refusal(form, error)
        except Exception:
            log.exception("unexpected")
            return _refusal(form, GatewayError("The gateway failed; its log says why."))
        finally:
            self._logs.flush()

    async def _answered(
        self, event: HttpEvent, found: FoundFunction, ends_mono: float | None
    ) -> FunctionAnswer:
        single = SingleCall(self.blueprint, log_line=self._logs.msg, checked=self._checked)
        try:
            async with single as gateway:
                calling = asyncio.create_task(_called(event, found, gateway), name="call")
                if ends_mono is not None:
                    left_s = ends_mono - time.monotonic()
                    call_s = max(left_s - RESERVE_S, left_s / 2)
                    asyncio.get_running_loop().call_later(call_s, calling.cancel, SHUTTING_DOWN)
                return await calling
        finally:
            left_s = BOOK_S if ends_mono is None else max(0.5, ends_mono - time.monotonic() - 0.5)
            if not await single.book(within_s=min(BOOK_S, left_s), waits=True):
                log.error("the spend row waits on this process's disk until its next event")


async def _called(event: HttpEvent, found: FoundFunction, gateway: Gateway) -> FunctionAnswer:
    headers = event.named()
    if not gateway.site.is_own(headers):
        headers.pop("cookie", None)  # a page of another origin never acts with a cookie of its reader
    held = HeldRoom(gateway.body_room)
    try:
        incoming = Incoming(
            headers=headers,
            query={**query_of(event.raw_query_string), **found.path},
            path=found.path,
            read_body=lambda: _body(event, headers, held, gateway.max_body_bytes),
            early=NoStreams(),
            client_ip=event.address,
            take_room=held.take,
        )
        reply = await Endpoint(found.entry, gateway).invoke(incoming)
        answer = await whole_answer(reply, wants_body=event.method != "HEAD")
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN not in exc.args:
            raise
        raise ShuttingDown(NO_TIME) from exc
    finally:
        held.give_back()
    return answer or _refusal(found.entry.manifest.error_form, InvalidRequest(TOO_LARGE))


async def _body(event: HttpEvent, headers: dict[str, str], held: HeldRoom, max_bytes: int) -> bytes:
    """The body, decompressed. Raises BodyTooLarge, Overloaded, InvalidRequest and UnsupportedCoding."""
    body = event.content()
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    coding = coding_of(headers.get("content-encoding", ""))
    if not coding:
        held.take(len(body))
        return body
    came: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return came.pop()

    coded, pieces, size, more = CodedBody(receive, coding, max_bytes), [], 0, True
    while more:
        message = await coded.receive()
        pieces.append(message["body"])
        size += len(pieces[-1])
        held.take(len(pieces[-1]))
        more = message.get("more_body", False)
        if size > max_bytes:
            raise _too_large(max_bytes)
    return b"".join(pieces)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {max_bytes} bytes.")


async def whole_answer(reply: Reply, *, wants_body: bool) -> FunctionAnswer | None:
    """The answer of a reply. None: it is too long for the platform."""
    pieces: list[bytes] = []
    size = 0
    try:
        if wants_body:
            async with aclosing(_pieces(reply)) as coming:
                async for piece in coming:
                    pieces.append(piece)
                    size += len(piece)
                    if size > MAX_ANSWER_BYTES:
                        return None
    finally:
        if not isinstance(reply.body, bytes):
            reply.body.close()
        reply.done()
    body = b"".join(pieces)
    answer = answer_of(reply.status, reply.headers, body)
    if fits(answer):
        return answer
    answer = in_base64(answer, body)
    return answer if fits(answer) else None


async def _pieces(reply: Reply) -> AsyncGenerator[bytes, None]:
    """The body of a reply. A stream is the progress of a pull: no model's answer comes as one."""
    if reply.download is not None:
        async with aclosing(reply.download.pieces()) as made:  # type: ignore[type-var]
            async for piece in made:
                yield piece
    elif isinstance(reply.body, bytes):
        yield reply.body
    else:
        async with aclosing(sse_of(reply.body)) as events:
            async for piece in events:
                yield piece


def _refusal(form: ErrorForm, error: GatewayError) -> FunctionAnswer:
    headers = dict(error.reply_headers)
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    reply = error_reply(error.http_status, form(error, None), headers)
    assert isinstance(reply.body, bytes), "it was made of JSON"
    return answer_of(reply.status, reply.headers, reply.body)


@cache
def _deployment() -> ServedFunction:
    """This process's. Its logs are set up first, so that what is wrong with it is told there."""
    return ServedFunction(environment(), set_up_logs())


def handler(event: object, context: object) -> FunctionAnswer:
    """Answer one event of the payload format 2.0. `context` is the platform's: where it has
    `get_remaining_time_in_millis`, a call ends five seconds before that time is up. Raises what is wrong with
    the deployment itself (Unfit, SettingsError, ConfigFileError, UnknownFunction), at its first event."""
    left_ms = getattr(context, "get_remaining_time_in_millis", None)
    return _deployment().answer(event, left_s=None if left_ms is None else left_ms() / 1000)
