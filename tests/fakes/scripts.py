"""What the hostile upstream does to a request, by name. Each script is one way real providers fail."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from tests.fakes import (
    agent_answers,
    answers,
    client_answers,
    coder,
    responses_answers,
    schema_answers,
    thinking_answers,
    tool_answers,
)
from tests.fakes.client_answers import Step


class Request(Protocol):
    """What a script looks at."""

    path: str

    @property
    def model(self) -> str: ...

    @property
    def streamed(self) -> bool: ...

    @property
    def fields(self) -> Mapping[str, object]: ...


class Line(Protocol):
    """What a script writes to."""

    async def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


Script = Callable[[Line, Request], Awaitable[None]]

JSON = "content-type: application/json\r\n"
NDJSON = "content-type: application/x-ndjson\r\n"
SSE = "content-type: text/event-stream\r\n"
CHUNKED = "transfer-encoding: chunked\r\n"
FOREVER_S = 3600.0
HUGE_FRAME_BYTES = 32 * 1024 * 1024


def head(status: int, headers: str) -> bytes:
    return f"HTTP/1.1 {status} Scripted\r\n{headers}\r\n".encode("latin-1")


def whole(body: bytes, *, status: int = 200, headers: str = JSON) -> bytes:
    return head(status, f"{headers}content-length: {len(body)}\r\n") + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


async def _stream(line: Line, pieces: Iterable[bytes], *, headers: str = SSE, end: bool = True) -> None:
    await line.send(head(200, headers + CHUNKED))
    for piece in pieces:
        await line.send(chunk(piece))
        await asyncio.sleep(0)
    if end:
        await line.send(LAST_CHUNK)


async def happy(line: Line, request: Request) -> None:
    """The right answer for the path: OpenAI's, Anthropic's or Ollama's."""
    path, model = request.path.partition("?")[0], request.model
    if path.endswith("/api/chat"):
        if request.streamed:
            await _stream(line, answers.ollama_stream(model), headers=NDJSON)
        else:
            await line.send(whole(answers.ollama_chat(model)))
    elif path.endswith("/api/ps"):
        await line.send(whole(b'{"models": []}'))
    elif path.endswith("/api/embed"):
        await line.send(whole(answers.ollama_embed(model)))
    elif path.endswith("/messages"):
        if request.streamed:
            await _stream(line, answers.anthropic_stream(model))
        else:
            await line.send(whole(answers.anthropic_message(model)))
    elif path.endswith("/count_tokens"):
        await line.send(whole(b'{"input_tokens": %d}' % answers.PROMPT_TOKENS))
    elif path.endswith("/embeddings"):
        await line.send(whole(answers.openai_embeddings(model)))
    elif path.endswith("/responses"):
        if request.streamed:
            await _stream(line, responses_answers.sse(responses_answers.events()))
        else:
            await line.send(whole(responses_answers.body()))
    elif request.streamed:
        await _stream(line, answers.openai_stream(model))
    else:
        await line.send(whole(answers.openai_chat(model)))


async def edits_a_file(line: Line, request: Request) -> None:
    """A task of a coding agent, step by step, in the dialect of the path."""
    path = request.path.partition("?")[0]
    if path.endswith("/api/ps"):
        await line.send(whole(b'{"models": []}'))
    elif path.endswith("/api/chat"):
        await _stream(line, coder.ollama(request.fields), headers=NDJSON)
    elif path.endswith("/messages"):
        await _stream(line, coder.messages(request.fields))
    elif path.endswith("/responses"):
        await _stream(line, coder.responses(request.fields))
    else:
        await _stream(line, coder.chat(request.fields))


async def client(line: Line, request: Request) -> None:
    """A model for other people's clients (`client_answers.py`), in the dialect of the path."""
    await _says(line, request, client_answers.next_step)


async def obeys(line: Line, request: Request) -> None:
    """A model that does what is asked for (`schema_answers.py`), in the dialect of the path."""
    await _says(line, request, schema_answers.next_step)


async def _says(line: Line, request: Request, next_step: Callable[[Mapping[str, Any]], Step]) -> None:
    path = request.path.partition("?")[0]
    if path.endswith(("/embeddings", "/api/embed", "/api/ps", "/count_tokens")):
        await happy(line, request)
        return
    kind, pieces = client_answers.answer(
        path, request.model, request.fields, next_step(request.fields), streamed=request.streamed
    )
    if kind == "json":
        await line.send(whole(pieces[0]))
    else:
        await _stream(line, pieces, headers=SSE if kind == "sse" else NDJSON)


async def parallel_tools(line: Line, request: Request) -> None:
    """Two tool calls at once, in the dialect of the path."""
    path, model = request.path.partition("?")[0], request.model
    if path.endswith("/api/chat") and request.streamed:
        await _stream(line, tool_answers.ollama_stream(model), headers=NDJSON)
    elif path.endswith("/messages") and request.streamed:
        await _stream(line, tool_answers.anthropic_stream(model))
    elif request.streamed:
        await _stream(line, tool_answers.openai_stream(model))
    elif path.endswith("/api/chat"):
        await line.send(whole(tool_answers.ollama_chat(model)))
    elif path.endswith("/messages"):
        await line.send(whole(tool_answers.anthropic_message(model)))
    else:
        await line.send(whole(tool_answers.openai_chat(model)))


async def tools_then_answer(line: Line, request: Request) -> None:
    """Two tool calls at once, and the answer once their results are there."""
    body = json.dumps(request.fields, separators=(",", ":")).encode()
    has_results = b'"role":"tool"' in body or b'"type":"tool_result"' in body
    await (happy if has_results else parallel_tools)(line, request)


async def agent(line: Line, request: Request) -> None:
    """A model that edits a file by an agent's tools, in the dialect of the path (`agent_answers.py`)."""
    path, model, fields = request.path.partition("?")[0], request.model, request.fields
    is_google = path.endswith(":streamGenerateContent")
    if not (request.streamed or is_google) or path.endswith(("/count_tokens", "/api/ps")):
        await happy(line, request)
        return
    step = agent_answers.next_step(fields)
    messages = fields.get("messages")
    number = len(messages) if isinstance(messages, list) else 0
    if is_google:
        if agent_answers.lost_signature(fields):
            await line.send(whole(b'{"error": {"code": 400, "message": "no signature"}}', status=400))
            return
        await _stream(line, agent_answers.gemini(model, step, number))
    elif path.endswith("/messages"):
        await _stream(line, agent_answers.anthropic(model, step, number))
    elif path.endswith("/api/chat"):
        await _stream(line, agent_answers.ollama(model, step, number), headers=NDJSON)
    else:
        await _stream(line, agent_answers.openai(model, step, number))


async def anthropic_overloaded(line: Line, request: Request) -> None:
    """Anthropic's stream that an error event ends in the middle; a plain call gets 529."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    data = json.dumps(error).encode()
    if request.streamed:
        event = b"event: error\ndata: " + data + b"\n\n"
        await _stream(line, [*answers.anthropic_stream(request.model)[:5], event])
    else:
        await line.send(
            whole(data, status=529, headers=f"{JSON}request-id: req_canned\r\nretry-after: 3\r\n")
        )


async def never_answers(line: Line, request: Request) -> None:
    await asyncio.sleep(FOREVER_S)


async def slow_headers(line: Line, request: Request) -> None:
    """The head, one byte every 50 ms, without an end. Each byte resets a naive read timeout."""
    await line.send(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        await line.send(b"a")
        await asyncio.sleep(0.05)


async def drip(line: Line, request: Request) -> None:
    """A right stream in which each byte is a chunk and a packet of its own."""
    await _stream(line, (bytes([byte]) for byte in b"".join(answers.openai_stream(request.model))))


async def slow_stream(line: Line, request: Request) -> None:
    """A right stream with an event every 0.1 s."""
    await _stream(line, [], end=False)
    for event in answers.openai_stream(request.model):
        await line.send(chunk(event))
        await asyncio.sleep(0.1)
    await line.send(LAST_CHUNK)


async def stall(line: Line, request: Request) -> None:
    """Two events, then silence on an open connection."""
    await _stream(line, answers.openai_stream(request.model)[:2], end=False)
    await asyncio.sleep(FOREVER_S)


async def head_only(line: Line, request: Request) -> None:
    """The head at once, then silence: a server that queues or loads after it has answered."""
    await _stream(line, [], end=False)
    await asyncio.sleep(FOREVER_S)


async def head_then_late(line: Line, request: Request) -> None:
    """The head at once, the body after 0.5 s."""
    await _stream(line, [], end=False)
    await asyncio.sleep(0.5)
    for event in answers.openai_stream(request.model):
        await line.send(chunk(event))
    await line.send(LAST_CHUNK)


async def cut_mid_token(line: Line, request: Request) -> None:
    events = answers.openai_stream(request.model)
    await _stream(line, [*events[:3], events[3][:-20]], end=False)
    line.close()


async def cut_after_event(line: Line, request: Request) -> None:
    """Breaks off between two events, without the last chunk."""
    await _stream(line, answers.openai_stream(request.model)[:4], end=False)
    line.close()


async def reset_mid_stream(line: Line, request: Request) -> None:
    await _stream(line, answers.openai_stream(request.model)[:3], end=False)
    await asyncio.sleep(0.05)
    line.abort()


async def reset_until_eof(line: Line, request: Request) -> None:
    """A body without a length, ended by a reset. Only the reset says that the body is not whole."""
    await line.send(head(200, SSE + "connection: close\r\n") + b"".join(answers.openai_stream()[:3]))
    await asyncio.sleep(0.05)
    line.abort()


async def whole_until_eof(line: Line, request: Request) -> None:
    """A whole body without a length, ended by closing, as HTTP/1.0 servers answer."""
    body = answers.openai_chat(request.model)
    await line.send(head(200, JSON + "connection: close\r\n") + body)
    line.close()


async def short_body(line: Line, request: Request) -> None:
    """A body with fewer bytes than content-length says."""
    await line.send(whole(answers.openai_chat(request.model))[:-25])
    line.close()


async def no_done(line: Line, request: Request) -> None:
    """Ends cleanly in the middle of the answer: no finish reason, no `[DONE]`."""
    await _stream(line, answers.openai_stream(request.model)[:4])


async def error_frame(line: Line, request: Request) -> None:
    """200, three events, then an error event."""
    error = {"error": {"message": "The engine is overloaded", "type": "server_error", "code": "overloaded"}}
    await _stream(line, [*answers.openai_stream(request.model)[:3], *answers.sse([error])])


async def error_first_frame(line: Line, request: Request) -> None:
    error = {"error": {"message": "The engine is overloaded", "type": "server_error", "code": "overloaded"}}
    await _stream(line, answers.sse([error]))


async def empty_finish(line: Line, request: Request) -> None:
    """A finish reason that is an empty text, then the end."""
    events = [event.replace(b'"finish_reason":null', b'"finish_reason":""') for event in _pieces(request)]
    await _stream(line, events)


async def done_without_finish(line: Line, request: Request) -> None:
    """Text, then `[DONE]`."""
    await _stream(line, [*_pieces(request), b"data: [DONE]\n\n"])


async def done_without_choice(line: Line, request: Request) -> None:
    """A chunk with the usage alone, then `[DONE]`."""
    await _stream(
        line, [*answers.sse([{"choices": [], "usage": answers.openai_usage()}]), b"data: [DONE]\n\n"]
    )


def _told(error: dict[str, object], *, done: bool = True) -> Script:
    """An error that stands where a chunk or an answer should."""

    async def script(line: Line, request: Request) -> None:
        if not request.streamed:
            await line.send(whole(json.dumps(error).encode()))
            return
        ending = [b"data: [DONE]\n\n"] if done else []
        await _stream(line, [*_pieces(request), *answers.sse([error]), *ending])

    return script


def _pieces(request: Request) -> list[bytes]:
    return answers.openai_stream(request.model)[:3]


async def failed_choice(line: Line, request: Request) -> None:
    """An answer whose finish reason is `error`."""
    events = answers.openai_stream(request.model)
    failed = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}
    await _stream(line, [*events[:3], *answers.sse([failed]), events[-1]])


async def anthropic_thinks(line: Line, request: Request) -> None:
    """Claude with a budget of thinking, as strict as Anthropic: a call of a tool after signed thinking, then
    the answer. A turn that goes on with thinking switched on and has none is refused."""
    fields = request.fields
    refusal = thinking_answers.refusal_of(fields)
    if refusal is not None:
        await line.send(whole(json.dumps(refusal).encode(), status=400))
        return
    content = thinking_answers.content_of(fields)
    if request.streamed:
        await _stream(line, thinking_answers.stream(request.model, content))
    else:
        await line.send(whole(thinking_answers.message(request.model, content)))


async def anthropic_no_stop(line: Line, request: Request) -> None:
    """Anthropic's stream without a stop reason: text, then `message_stop`."""
    events = [event for event in answers.anthropic_stream(request.model) if b"message_delta" not in event]
    await _stream(line, events)


async def anthropic_short_end(line: Line, request: Request) -> None:
    """Anthropic's stream without the last empty line."""
    await _stream(line, [b"".join(answers.anthropic_stream(request.model)).rstrip()])


async def ollama_out_of_memory(line: Line, request: Request) -> None:
    """Ollama's error: at once, or in the middle of a stream."""
    error = json.dumps({"error": "model requires more system memory (9 GiB) than is available"}).encode()
    if not request.streamed:
        await line.send(whole(error, status=500))
        return
    lines = answers.ollama_stream(request.model)[:2]
    await _stream(line, [*lines, error + b"\n"], headers="content-type: application/x-ndjson\r\n")


async def ollama_runner_gone(line: Line, request: Request) -> None:
    """A last line without a reason and without counts."""
    message = {"role": "assistant", "content": ""}
    last = json.dumps({"model": request.model, "message": message, "done": True}).encode()
    lines = answers.ollama_stream(request.model)[:2]
    await _stream(line, [*lines, last + b"\n"], headers="content-type: application/x-ndjson\r\n")


async def says_why_in_text(line: Line, request: Request) -> None:
    """A refusal as plain text."""
    body = b"the grammar of 'response_format' is broken"
    await line.send(whole(body, status=400, headers="content-type: text/plain\r\n"))


async def says_why_it_failed(line: Line, request: Request) -> None:
    """A failure with its reason, and with a credential in it."""
    error = {"errors": [{"message": "no GPU is left for sk-proj-abcd1234efgh5678"}]}
    await line.send(whole(json.dumps(error).encode(), status=500))


async def empty_200(line: Line, request: Request) -> None:
    if request.streamed:
        await _stream(line, [])
    else:
        await line.send(whole(b""))


async def double_final(line: Line, request: Request) -> None:
    """The finish event, the usage and `[DONE]` twice."""
    events = answers.openai_stream(request.model)
    await _stream(line, events + events[-3:])


async def huge_frame(line: Line, request: Request) -> None:
    """One event of 32 MiB without an end of line."""
    await line.send(head(200, SSE + CHUNKED))
    await line.send(chunk(b'data: {"choices":[{"index":0,"delta":{"content":"'))
    for _ in range(HUGE_FRAME_BYTES // 65536):
        await line.send(chunk(b"a" * 65536))
    await line.send(chunk(b'"}}]}\n\n') + LAST_CHUNK)


async def endless_stream(line: Line, request: Request) -> None:
    """Right events for ever, as fast as they are read."""
    await line.send(head(200, SSE + CHUNKED))
    block = chunk(answers.openai_stream(request.model)[1] * 50)
    while True:
        await line.send(block)
        await asyncio.sleep(0)


async def endless_slow(line: Line, request: Request) -> None:
    """A right event every 20 ms, for ever."""
    await line.send(head(200, SSE + CHUNKED))
    block = chunk(answers.openai_stream(request.model)[1])
    while True:
        await line.send(block)
        await asyncio.sleep(0.02)


async def endless_body(line: Line, request: Request) -> None:
    """A plain answer that doesn't stop."""
    await line.send(head(200, JSON + CHUNKED))
    while True:
        await line.send(chunk(b" " * 65536))
        await asyncio.sleep(0)


async def gzip_bomb(line: Line, request: Request) -> None:
    """An answer that is compressed though nobody asked: 256 MiB of zeros in 256 kB."""
    body = gzip.compress(bytes(1024 * 1024), 9) * 256
    await line.send(whole(body, headers=JSON + "content-encoding: gzip\r\n"))


async def gzipped(line: Line, request: Request) -> None:
    """A right answer that is compressed though nobody asked."""
    body = gzip.compress(answers.openai_chat(request.model))
    await line.send(whole(body, headers=JSON + "content-encoding: gzip\r\n"))


async def bad_gzip(line: Line, request: Request) -> None:
    await line.send(whole(b"this is not gzip", headers=JSON + "content-encoding: gzip\r\n"))


async def bad_utf8(line: Line, request: Request) -> None:
    bad = b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe\xc3"}}]}\n\n'
    if request.streamed:
        await _stream(line, [*answers.openai_stream(request.model)[:2], bad])
    else:
        await line.send(whole(answers.openai_chat(request.model).replace(b"Switch", b"\xff\xfe\xc3")))


async def garbage_json(line: Line, request: Request) -> None:
    body = b'{"choices":[{"message":{"content":"half'
    if request.streamed:
        await _stream(line, [b"data: " + body + b"\n\n"])
    else:
        await line.send(whole(body))


async def garbage_http(line: Line, request: Request) -> None:
    await line.send(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    line.close()


async def huge_headers(line: Line, request: Request) -> None:
    await line.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await line.send(b"x-filler: " + b"a" * 65536)
        await asyncio.sleep(0)


async def html_error(line: Line, request: Request) -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
    await line.send(whole(page, status=502, headers="content-type: text/html\r\n"))


def _head_only(status: int, headers: str = "") -> Script:
    """An answer that has no body, as its status or its head says."""

    async def script(line: Line, request: Request) -> None:
        await line.send(head(status, headers))

    return script


async def short_error(line: Line, request: Request) -> None:
    """A refusal that breaks off before the length that its head tells."""
    answer = whole(b'{"error": {"message": "Scripted 429"}}', status=429)
    await line.send(answer[:-10])
    line.close()


async def wrong_usage(line: Line, request: Request) -> None:
    """Counts that can't be true: a negative one, and a total that is not the sum."""
    usage: dict[str, object] = {"prompt_tokens": -5, "completion_tokens": 10**12, "total_tokens": 7}
    if request.streamed:
        events = answers.openai_stream(request.model, usage=False, done=False)
        await _stream(line, [*events, *answers.sse([{"choices": [], "usage": usage}]), b"data: [DONE]\n\n"])
    else:
        await line.send(whole(answers.openai_chat(request.model, usage)))


async def no_usage(line: Line, request: Request) -> None:
    if request.streamed:
        await _stream(line, answers.openai_stream(request.model, usage=False))
    else:
        await line.send(whole(answers.openai_chat(request.model, {})))


async def resets(line: Line, request: Request) -> None:
    """The connection is reset as soon as the request is in."""
    line.abort()


async def hangs_up(line: Line, request: Request) -> None:
    """The connection is closed without a byte of answer."""
    line.close()


async def hangs_up_in_the_head(line: Line, request: Request) -> None:
    """Closed with half a head sent: the provider has begun to answer."""
    await line.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    line.close()


async def says_it_goes_on(line: Line, request: Request) -> None:
    """An interim head, and then closed: the provider has the request, and may act on it."""
    await line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
    line.close()


async def redirects(line: Line, request: Request) -> None:
    await line.send(whole(b"", status=307, headers="location: http://127.0.0.1:9/elsewhere\r\n"))


async def sets_cookie(line: Line, request: Request) -> None:
    headers = JSON + "set-cookie: session=tracked; Path=/\r\nX-Request-Id: Req-1\r\n"
    await line.send(whole(answers.openai_chat(request.model), headers=headers))


async def ollama_not_pulled(line: Line, request: Request) -> None:
    """What Ollama says of a model that it does not have."""
    body = json.dumps({"error": f'model "{request.model}" not found, try pulling it first'}).encode()
    await line.send(whole(body, status=404))


def _refusal(status: int, kind: str, code: str | None, headers: str = "") -> Script:
    async def script(line: Line, request: Request) -> None:
        error = {"message": f"Scripted {status}", "type": kind, "param": None, "code": code}
        body = json.dumps({"error": error}).encode()
        await line.send(whole(body, status=status, headers=JSON + headers))

    return script


SCRIPTS: dict[str, Script] = {
    script.__name__: script
    for script in (
        happy, client, obeys, parallel_tools, edits_a_file, tools_then_answer, anthropic_overloaded,
        never_answers, slow_headers,
        agent, drip, slow_stream, stall, head_only,
        head_then_late, cut_mid_token, cut_after_event, reset_mid_stream, reset_until_eof,
        whole_until_eof, short_body, no_done, error_frame, error_first_frame, empty_200, double_final,
        huge_frame, endless_stream, endless_slow, endless_body, gzip_bomb, gzipped, bad_gzip, bad_utf8,
        garbage_json, garbage_http, huge_headers, html_error, short_error, wrong_usage, no_usage, resets,
        empty_finish, done_without_finish, done_without_choice, failed_choice, anthropic_no_stop,
        anthropic_thinks, anthropic_short_end, ollama_out_of_memory, ollama_runner_gone, says_why_in_text,
        says_why_it_failed,
        hangs_up, hangs_up_in_the_head, says_it_goes_on, redirects, sets_cookie, ollama_not_pulled,
    )
} | {
    "error_object": _told(
        {"object": "error", "message": "The grammar is broken", "type": "BadRequestError", "code": 400}
    ),
    "error_detail": _told({"detail": "The engine went away"}),
    "error_filter": _told(
        {"error": {"message": "The answer was filtered", "code": "content_filter", "status": 400}}, done=False
    ),
    "status_101": _head_only(101, "upgrade: websocket\r\nconnection: upgrade\r\n"),
    "status_204": _head_only(204),
    "status_205": _head_only(205, "content-length: 0\r\n"),
    "status_304": _head_only(304, "etag: x\r\ncontent-length: 7\r\n"),
    "status_600": _head_only(600, "content-length: 0\r\n"),
    "length_of_5000_digits": _head_only(200, f"content-length: {'9' * 5_000}\r\n"),
    "chunk_of_5000_digits": _head_only(200, f"{CHUNKED}\r\n{'f' * 5_000}\r\n"),
    "status_400_context": _refusal(400, "invalid_request_error", "context_length_exceeded"),
    "status_401": _refusal(401, "invalid_request_error", "invalid_api_key"),
    "status_403": _refusal(403, "permission_error", None),
    "status_404": _refusal(404, "invalid_request_error", "model_not_found"),
    "status_429": _refusal(429, "rate_limit_error", "rate_limit_exceeded"),
    "status_429_retry_after": _refusal(429, "rate_limit_error", "rate_limit_exceeded", "retry-after: 7\r\n"),
    "status_500": _refusal(500, "server_error", None),
    "status_503": _refusal(503, "server_error", None, "retry-after: 3\r\n"),
    "status_529": _refusal(529, "overloaded_error", None),
}  # fmt: skip
