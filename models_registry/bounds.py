"""Upper bounds of what a call can use, from the request alone. They are what a budget holds.

A token of a byte-level tokenizer is at least one byte of text, and a JSON text is at least as long
as the UTF-8 in it, so the length of the body bounds the tokens of the text in it from above. What
a provider adds of its own has stated allowances. Images are counted apart, since a picture's tokens
have nothing to do with its bytes.
"""

from collections.abc import Callable, Mapping

import msgspec

from models_registry.reasoning import reasons_unseen
from models_registry.search import search_context
from models_registry.target import Dialect, Target
from schema.chat import ChatRequest, Part
from schema.embeddings import EmbeddingsRequest
from schema.usage import UNKNOWN_TIER, RareMeters, Usage

CALL_TOKENS = 512
"""What a chat template adds to any call: its own system text, the opening of the answer."""
MESSAGE_TOKENS = 16
"""Role and separators of a message, beside its text."""
TOOLS_TOKENS = 1024
"""The prompt a provider adds when there are tools (Anthropic: up to 530; llama.cpp's templates)."""
IMAGE_TOKENS = 50_000
"""An image at its dearest: gpt-4o-mini at high detail takes 2,833 + 8 tiles of 5,667."""
INPUT_TOKENS = 8
"""The frame of one embedded text."""
DEFAULT_OUTPUT_TOKENS = 4096

MAX_BOUND = 2**31 - 1
UNRECEIVED_TOKENS = 1024
"""What may have been made of an answer when it broke off, and never came: half a second at 2,000 tokens a
second, the fastest there is. That covers the last bytes on their way, and the time until the provider sees
that nobody reads; events have some 200 bytes a token, so it is also what sockets hold."""

LONGEST_TOKEN_BYTES = 512
"""No token of a known vocabulary stands for more text (o200k's longest has 128 bytes). A count of output
below what that makes of the answer's bytes can't be true."""

PRICED_APART = frozenset(
    {"web_search_options", "audio", "prediction", "plugins", "prompt", "container", "models", "route"}
)
"""Fields with which a provider bills by something that no field of the request bounds."""
TIERS = (b'"auto"', b'"default"', b'"flex"', b"null")
"""`service_tier`s whose price is known, as far as any is: what the provider says, or a cheaper one."""
LISTED_TIERS = (b'"default"', b'"flex"')
"""Those that cost no more than the list price."""
BOUNDED_PARTS = ("text", "refusal", "image_url")
OWN_TOOLS = ("function", "custom")
"""Tools that the caller runs; the provider's own (search, code) are billed by the use."""
BYTES_A_TOKEN = 4
"""What text has, more or less: for estimates, never for bounds."""


class ChatBounds:
    """How much a chat call can use, worked out when it is asked for."""

    __slots__ = ("_cap", "_fields", "_most", "_prompt", "_request", "_searches", "_target", "limited")

    def __init__(self, request: ChatRequest, target: Target) -> None:
        self._request = request
        self._target = target
        self._fields: Mapping[str, msgspec.Raw] = request.raw
        """As they came; empty on a request that was built in code."""
        self._prompt: int | None = None
        self._most: int | None = None
        self._searches: int | None = None
        self._cap: int | None = None
        sent = request.max_tokens is not None or request.max_completion_tokens is not None
        self.limited = sent or bool(_configured(target))
        """Did the caller, or the deployment, say how long an answer may be?"""

    @property
    def prompt_tokens(self) -> int:
        if self._prompt is None:
            self._prompt = input_bound(self._request)
        return self._prompt

    @property
    def answers(self) -> int:
        return max(1, self._request.n or 1)

    @property
    def images(self) -> int:
        """Pictures in the request, by its decoded parts: in JSON a name can be spelt in many ways."""
        parts = (message.content for message in self._request.messages if isinstance(message.content, list))
        return sum(part.kind == "image_url" for content in parts for part in content)

    @property
    def searches(self) -> int:
        """Searches that the provider runs itself: of a search model, one at every call."""
        if self._searches is None:
            searching = self._target.dialect is Dialect.OPENAI
            self._searches = int(searching and search_context(self._request, self._target) is not None)
        return self._searches

    @property
    def at_list_price(self) -> bool:
        """Whether the call is sure to be served at the standard service tier, or at a cheaper one. Where
        nobody says, the provider's own settings decide (OpenAI's projects have one)."""
        raw = (self._fields or self._request.fields()).get("service_tier")
        raw = self._target.params.get("service_tier") if raw is None else raw
        return raw is not None and bytes(raw) in LISTED_TIERS

    @property
    def output_tokens(self) -> int | None:
        """Most tokens of all answers together; None where nothing bounds them."""
        if self._cap is not None:
            return self._cap * self.answers
        target = self._target
        if self.limited or target.max_output_tokens is not None:
            return self._asked()
        return None if target.context_window is None else target.context_window * self.answers

    def cap(self, tokens: int) -> None:
        """An answer is limited to so many tokens after all."""
        self._cap = tokens

    def unbounded_field(self) -> str | None:
        """The field for which the cost has no known bound, if there is one."""
        request, fields = self._request, self._fields or self._request.fields()
        for name in PRICED_APART & fields.keys():
            if bytes(fields[name]) not in (b"null", b"{}", b"[]"):
                return name
        if "service_tier" in fields and not self._tier_is_priced(bytes(fields["service_tier"])):
            return "service_tier"
        for place, tool in enumerate(request.tools or ()):
            if tool.kind not in OWN_TOOLS:
                return f"tools[{place}]"
        return _unbounded_part(request)

    def _tier_is_priced(self, raw: bytes) -> bool:
        price = self._target.price
        services = () if price is None else price.services
        return raw in TIERS or any(raw == b'"%s"' % service.name.encode() for service in services)

    def usage(self) -> Usage:
        """All of it, for an attempt that nobody knows the end of."""
        most = self.output_tokens
        return self._used(self._asked() if most is None else most)

    def produced(self, shown_bytes: int, *, whole: bool = False) -> Usage:
        """Of an answer without a count: a token has at least one byte of what was shown, there are no more
        than the request allows, and all of those may have been spent where the model reasons unseen. Of one
        that is not `whole` some never came."""
        if not whole and not self._target.local:
            shown_bytes += UNRECEIVED_TOKENS * self.answers
        most, unseen = self.output_tokens, reasons_unseen(self._request, self._target)
        if most is None:
            return self._used(max(shown_bytes, self.usage().completion_tokens) if unseen else shown_bytes)
        return self._used(most if unseen else min(shown_bytes, most))

    def completed(self, usage: Usage | None, most_bytes: int, shown_bytes: Callable[[], int]) -> Usage:
        """What a complete answer is booked at: its report, and a bound of what is missing of that or can't be
        true. `most_bytes` is no less than `shown_bytes` gives, which is asked only in doubt."""
        if usage is None:
            return self.produced(shown_bytes(), whole=True)
        counted = usage.completion_tokens
        short = usage.estimated and (usage.input_reported or not counted)
        if short or most_bytes > counted * LONGEST_TOKEN_BYTES:
            shown = shown_bytes()
            if short or shown > counted * LONGEST_TOKEN_BYTES:
                short, counted = True, max(counted, self.produced(shown, whole=True).completion_tokens)
        if usage.prompt_tokens and not (short or usage.estimated):
            return usage
        return msgspec.structs.replace(
            usage,
            prompt_tokens=usage.prompt_tokens or self.prompt_tokens,
            completion_tokens=counted,
            estimated=True,
            input_reported=usage.prompt_tokens > 0,
        )

    def broken(self, usage: Usage | None, shown_bytes: int) -> Usage:
        """What an answer that broke off is booked at: the input as it was reported, and a bound of the
        output."""
        bound = self.produced(shown_bytes)
        if usage is None:
            return bound
        return msgspec.structs.replace(
            usage,
            prompt_tokens=usage.prompt_tokens or bound.prompt_tokens,
            completion_tokens=max(usage.completion_tokens, bound.completion_tokens),
            estimated=True,
            input_reported=usage.prompt_tokens > 0,
        )

    def _used(self, output_tokens: int) -> Usage:
        usage = Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=output_tokens,
            estimated=True,
            service_tier=UNKNOWN_TIER if self._may_be_dearer() else "",
        )
        if not self.searches:
            return usage
        return msgspec.structs.replace(usage, rare=RareMeters(web_searches=self.searches))

    def _asked(self) -> int:
        if self._most is None:
            self._most = output_bound(self._request, self._target)
        return self._most

    def _may_be_dearer(self) -> bool:
        price = self._target.price
        return price is not None and bool(price.services) and not self.at_list_price

    def estimate(self, output_tokens: int) -> int:
        """Tokens it will use, more or less: for limits by the minute."""
        output = self._asked() if self.limited else output_tokens
        fields = self._fields or self._request.fields()
        return _length(fields["messages"]) // BYTES_A_TOKEN + 1 + output


class EmbeddingsBounds:
    """How much an embeddings call can use: input alone."""

    answers = 1
    limited = True
    output_tokens = 0
    images = 0
    searches = 0
    at_list_price = True

    def __init__(self, request: EmbeddingsRequest) -> None:
        self._request = request

    @property
    def prompt_tokens(self) -> int:
        return embeddings_bound(self._request)

    def cap(self, tokens: int) -> None:
        raise AssertionError("an embedding has no output to limit")

    def unbounded_field(self) -> str | None:
        return None

    def usage(self) -> Usage:
        return Usage(prompt_tokens=self.prompt_tokens, estimated=True)

    def completed(self, usage: Usage | None) -> Usage:
        """What an answer is booked at: its report, else the bound. No embedded text has no tokens."""
        return usage if usage is not None and usage.prompt_tokens else self.usage()

    def estimate(self, output_tokens: int) -> int:
        return _length(self._request.fields()["input"]) // BYTES_A_TOKEN + 1


def with_output_limit(target: Target, tokens: int) -> Target:
    """The deployment with a limit of its own, sent where the caller sent none. OpenAI's reasoning models
    know only the newer name; compatible servers often only the older."""
    name = "max_completion_tokens" if target.provider == "openai" else "max_tokens"
    return msgspec.structs.replace(target, params={**target.params, name: msgspec.Raw(b"%d" % tokens)})


def input_bound(request: ChatRequest) -> int:
    """Most tokens the input can be. Audio and files are bounded by their bytes in the body; one
    named by an id or address alone has no bound here."""
    fields = request.raw or request.fields()
    total = CALL_TOKENS + sum(map(_length, fields.values()))
    total += MESSAGE_TOKENS * len(request.messages)
    if request.tools:
        total += TOOLS_TOKENS
    for message in request.messages:
        if isinstance(message.content, list):
            total += sum(map(_image_bound, message.content))
    return total


def embeddings_bound(request: EmbeddingsRequest) -> int:
    """Most tokens the input can be: its bytes, whether text or token ids, and a frame each."""
    count = 1 if isinstance(request.input, str) else len(request.input)
    return _length(request.fields()["input"]) + INPUT_TOKENS * count


def output_bound(request: ChatRequest, target: Target) -> int:
    """Most tokens the answers can be: the caller's limit (the larger, where both names are used),
    else the deployment's own, else the model's maximum, else DEFAULT_OUTPUT_TOKENS; times `n`."""
    limits = [limit for limit in (request.max_tokens, request.max_completion_tokens) if limit is not None]
    limits = limits or _configured(target)
    limit = max(limits) if limits else target.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    if target.max_output_tokens is not None:
        limit = min(limit, target.max_output_tokens)
    return min(max(1, request.n or 1) * max(0, limit), MAX_BOUND)


def _configured(target: Target) -> list[int]:
    if not target.params:
        return []
    found = [target.params[name] for name in ("max_tokens", "max_completion_tokens") if name in target.params]
    return [int(value) for value in map(msgspec.json.decode, found) if isinstance(value, int)]


def _unbounded_part(request: ChatRequest) -> str | None:
    """A part of a message whose tokens its bytes do not bound: a file's pages, seconds of audio."""
    for place, message in enumerate(request.messages):
        for at, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if part.kind not in BOUNDED_PARTS:
                return f"messages[{place}].content[{at}]"
    return None


def _image_bound(part: Part) -> int:
    """An image's ceiling, less the bytes of one that stands in the body."""
    if part.kind != "image_url" or part.image_url is None:
        return 0
    url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
    return IMAGE_TOKENS - len(url)


def _length(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes
