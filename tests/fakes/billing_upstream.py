"""A provider that keeps its own bill: what it charges for each attempt, whatever becomes of the gateway.

An attempt is known by the text of its first message and its model. What it uses is drawn from those two, so
that a failed test can be run again. The `model` says how the attempt goes. `answers` answers, and `breaks`
breaks off half-way. `refuses` gives a 429, `fails` gives a 500, and both charge nothing. `bills` gives a 500
after its work was done and charges for it, as providers do whose deployment says `bills_failures`. `exceeds`
charges for OUTPUT_TIMES as many tokens as the request allows.
"""

import asyncio
import json
import random
from collections import Counter

from tests.fakes.answers import openai_chat, openai_usage, sse
from tests.fakes.hostile_upstream import HostileUpstream, Seen
from tests.fakes.scripts import LAST_CHUNK, Line, Request, Script, chunk, head, whole

INPUT_NANO = 100
OUTPUT_NANO = 2_000
MAX_TOKENS = 12
"""The limit that the tests send, and so the most tokens that an answer has."""
OUTPUT_TIMES = 20
CHUNKED_SSE = "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"


REFUSALS = {"refuses": 429, "fails": 500}
BILLS = "bills"

Attempt = tuple[str, str]
"""The text of the call's first message, and the model."""


class BillingUpstream(HostileUpstream):
    """The provider. `bill` has the nano-USD of each attempt, `attempts` how often each came."""

    def __init__(self) -> None:
        super().__init__()
        self.bill: Counter[Attempt] = Counter()
        self.attempts: Counter[Attempt] = Counter()

    def attempts_of(self, prefix: str) -> set[Attempt]:
        return {attempt for attempt in self.attempts if attempt[0].startswith(prefix)}

    def total(self, prefix: str) -> int:
        return sum(nano for (call, _), nano in self.bill.items() if call.startswith(prefix))

    def script_for(self, seen: Seen) -> Script:
        return self._serve

    async def _serve(self, line: Line, request: Request) -> None:
        assert isinstance(request, Seen)
        attempt = (call_of(request), request.model)
        self.attempts[attempt] += 1
        chance = random.Random("/".join(attempt))
        await asyncio.sleep(chance.random() / 100)
        if request.model in REFUSALS:
            await line.send(whole(b'{"error": {"message": "slow down"}}', status=REFUSALS[request.model]))
            return
        prompt, output = chance.randint(1, 8), chance.randint(2, MAX_TOKENS)
        self.bill[attempt] += prompt * INPUT_NANO
        if request.model == BILLS:
            self.bill[attempt] += output * OUTPUT_NANO
            await line.send(whole(b'{"error": {"message": "out of memory"}}', status=500))
        elif request.model == "exceeds":
            output *= OUTPUT_TIMES
            self.bill[attempt] += output * OUTPUT_NANO
            usage = openai_usage(prompt, output)
            await line.send(whole(openai_chat(usage=usage)) if not request.streamed else streamed(usage))
        elif request.streamed:
            await self._stream(line, attempt, prompt, output, breaks=request.model == "breaks")
        else:
            self.bill[attempt] += output * OUTPUT_NANO
            body = whole(openai_chat(usage=openai_usage(prompt, output)))
            if request.model == "breaks":
                await line.send(body[: len(body) // 2])
                line.close()
            else:
                await line.send(body)

    async def _stream(self, line: Line, attempt: Attempt, prompt: int, output: int, *, breaks: bool) -> None:
        """Send one token an event. Each token is charged when it is made."""
        await line.send(head(200, CHUNKED_SSE))
        for number in range(output):
            if breaks and number == output // 2:
                line.close()
                return
            self.bill[attempt] += OUTPUT_NANO
            await line.send(chunk(event({"content": f"tok{number} "})))
            await asyncio.sleep(0.001)
        await line.send(chunk(event({}, finish_reason="stop")))
        await line.send(ending(openai_usage(prompt, output)))


def streamed(usage: dict[str, object]) -> bytes:
    """A whole stream in one piece."""
    return head(200, CHUNKED_SSE) + chunk(event({"content": "all"}, finish_reason="stop")) + ending(usage)


def ending(usage: dict[str, object]) -> bytes:
    last = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": usage}
    (data,) = sse([last])
    return chunk(data + b"data: [DONE]\n\n") + LAST_CHUNK


def event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    (data,) = sse([{"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}])
    return data


def call_of(seen: Seen) -> str:
    messages = json.loads(seen.body)["messages"]
    return str(messages[0]["content"])
