"""Upper bounds of what a chat call can use, from the request alone. They are what a budget holds.

The input is bounded by its bytes (`models_registry/bounds/input.py`) and by stated allowances for what a
provider adds of its own; the output by the limit that was sent, else by what the model can make. What the
other fields do to the cost is judged by an allow-list (`models_registry/bounds/field_costs.py`).
"""

from collections.abc import Callable

import msgspec

from models_registry.backends.search import search_context, unpriced_search
from models_registry.bounds.input import BYTES_A_TOKEN, is_text_alone, text_of
from models_registry.bounds.judgement import Unbounded, judge, sent_fields, tier_is_priced, unbounded_content
from models_registry.bounds.reasoning import may_reason, reasons_unseen
from models_registry.facts.allowances import IMAGE_TOKENS, MESSAGE_TOKENS, TOOLS_TOKENS, Thinking
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.usage import UNKNOWN_TIER, RareMeters, Usage

DEFAULT_OUTPUT_TOKENS = 4096
MAX_BOUND = 2**31 - 1
UNRECEIVED_TOKENS = 1024
"""What may have been made of an answer when it broke off, and never came: half a second at 2,000 tokens a
second, the fastest there is. That covers the last bytes on their way, and the time until the provider sees
that nobody reads; events have some 200 bytes a token, so it is also what sockets hold."""
LONGEST_TOKEN_BYTES = 512
"""No token of a known vocabulary stands for more text (o200k's longest has 128 bytes). A count of output
below what that makes of the answer's bytes can't be true."""
LISTED_TIERS = (b'"default"', b'"flex"')
"""`service_tier`s that cost no more than the list price."""


class ChatBounds:
    """How much a chat call can use."""

    __slots__ = (
        "_cap",
        "_judged",
        "_prompt",
        "_request",
        "_searches",
        "_sent",
        "_target",
        "_text",
        "_thinking",
    )

    def __init__(self, request: ChatRequest, target: Target) -> None:
        self._request = request
        self._target = target
        self._sent = sent_fields(request.raw or request.fields(), target)
        """The fields that go to the provider; of a request that was built in code, its JSON's."""
        self._judged = judge(self._sent, target)
        self._text = text_of(request.messages, self._sent["messages"])
        self._thinking = self._apart()
        """Most tokens of thinking beside the limit of one answer, where no budget of their own bounds them;
        None where nothing does."""
        self._prompt: int | None = None
        self._searches: int | None = None
        self._cap: int | None = None

    @property
    def limited(self) -> bool:
        """Did the caller, or the deployment, say how long an answer may be?"""
        return self._judged.limit is not None

    @property
    def reasons(self) -> bool:
        """Whether the model may think before it answers, so that a short limit leaves nothing to read."""
        return may_reason(self._request, self._target)

    @property
    def prompt_tokens(self) -> int:
        """Most tokens the input can be. Files and audio have no bound here."""
        if self._prompt is None:
            judged, text, fields = self._judged, self._text, self._sent
            total = text.max_bytes + MESSAGE_TOKENS * len(self._request.messages)
            total += IMAGE_TOKENS * text.images
            total += self._target.template_tokens + judged.text_bytes + judged.added
            tools = fields.get("tools")
            if tools is not None:
                total += memoryview(tools).nbytes
            if tools is not None or judged.has_schema:
                total += TOOLS_TOKENS
            if judged.has_schema and self._target.dialect.facts.rereads_thinking:
                total += judged.limit or DEFAULT_OUTPUT_TOKENS
            self._prompt = total
        return self._prompt

    @property
    def answers(self) -> int:
        return self._judged.answers

    @property
    def at_least(self) -> int:
        """An answer may have so many tokens, whatever its limit is: a budget for thinking, a minimum."""
        return self._judged.at_least

    @property
    def images(self) -> int:
        """Pictures in the request, by its decoded parts: in JSON a name can be spelt in many ways."""
        return self._text.images

    @property
    def searches(self) -> int:
        """Searches that the provider runs itself: of a search model, one at every call."""
        if self._searches is None:
            searching = self._target.dialect.facts.searches
            self._searches = int(searching and search_context(self._request, self._target) is not None)
        return self._searches

    @property
    def at_list_price(self) -> bool:
        """Whether the call is sure to be served at the standard service tier, or at a cheaper one. Where
        nobody says, the provider's own settings decide (OpenAI's projects have one)."""
        raw = self._sent.get("service_tier")
        return raw is not None and bytes(raw) in LISTED_TIERS

    @property
    def output_tokens(self) -> int | None:
        """Most tokens of all answers together; None where nothing bounds them."""
        judged, target = self._judged, self._target
        if self._cap is not None:
            return self._answers_of(self._cap)
        if judged.limit is not None:
            return self._asked()
        if judged.runs_on:
            return None
        if target.max_output_tokens is not None:
            return self._asked()
        if target.context_window is None:
            return None
        return self._answers_of(target.context_window - (self._thinking or 0))  # which is all of it, or none

    def cap(self, tokens: int) -> None:
        """An answer is limited to so many tokens after all."""
        self._cap = tokens

    def unbounded_field(self) -> Unbounded | None:
        """The field for which the cost has no known bound, if there is one."""
        found, fields, target = self._judged.unbounded, self._sent, self._target
        if found is None and self._thinking is None and "model" not in target.free_params:
            found = Unbounded("model", "model")
        if found is None and "service_tier" in fields and not tier_is_priced(fields, target):
            found = Unbounded("service_tier", "service_tier")
        search = unpriced_search(fields, target) if found is None else None
        if search is not None:
            return Unbounded(search, search)
        if found is not None:
            return found
        plain = is_text_alone(self._request.messages, fields["messages"], self._text)
        return None if plain and "tools" not in fields else unbounded_content(fields, target, plain=plain)

    def usage(self) -> Usage:
        """All of it, for an attempt that nobody knows the end of."""
        most = self.output_tokens
        return self._used(self._asked() if most is None else most)

    def produced(self, shown_bytes: int, *, whole: bool = False) -> Usage:
        """The most that an answer without a count can have used. A token has at least one byte of what was
        shown, and there are no more tokens than the request allows. A model that reasons unseen may have used
        all of these. Some tokens of an answer that is not `whole` never came."""
        if not whole and not self._target.local:
            shown_bytes += UNRECEIVED_TOKENS * self.answers
        most, unseen = self.output_tokens, reasons_unseen(self._request, self._target)
        if most is None:
            return self._used(max(shown_bytes, self.usage().completion_tokens) if unseen else shown_bytes)
        return self._used(most if unseen else min(shown_bytes, most))

    def completed(self, usage: Usage | None, most_bytes: int, told_bytes: Callable[[], int | None]) -> Usage:
        """What a complete answer is booked at: its report, and a bound of what is missing of that or can't be
        true. `told_bytes` is how much the model said, None where its answer has another shape; it is asked
        only in doubt, and `most_bytes` is no less."""
        counted = 0 if usage is None else usage.completion_tokens
        short = usage is None or (usage.estimated and (usage.input_reported or not counted))
        if short or most_bytes > counted * LONGEST_TOKEN_BYTES:
            told = told_bytes()
            low = counted == 0 if told is None else told > counted * LONGEST_TOKEN_BYTES
            short = short or low
            if short:
                bound = self.produced(most_bytes if told is None else told, whole=True)
                if usage is None:
                    return bound
                counted = max(counted, bound.completion_tokens)
        assert usage is not None, "what nobody counted is short"
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

    def estimate(self, output_tokens: int) -> int:
        """Tokens it will use, more or less: for limits by the minute. What it may think beside its limit is
        not in it: that is far less than it could be."""
        output = output_tokens
        if self.limited:
            output = self._asked() - self.answers * (self._thinking or 0)
        return memoryview(self._sent["messages"]).nbytes // BYTES_A_TOKEN + 1 + output

    def _asked(self) -> int:
        """Most tokens of the answers by the limit that was sent, else by the model's maximum, else by the
        default."""
        limit, most = self._judged.limit, self._target.max_output_tokens
        if limit is None:
            return self._answers_of(most or self.at_least + DEFAULT_OUTPUT_TOKENS)
        return self._answers_of(limit if most is None else min(limit, most))

    def _answers_of(self, tokens: int) -> int:
        """Most tokens of the answers with so long a limit each, and of what they think beside it."""
        tokens = max(tokens, self.at_least, self._target.least_output_tokens)
        return min(self.answers * (tokens + self.beside), MAX_BOUND)

    @property
    def beside(self) -> int:
        """Most tokens that come beside the limit of one answer, as far as they are bounded."""
        return self._judged.beside + (self._thinking or 0)

    def _apart(self) -> int | None:
        judged, target = self._judged, self._target
        if target.thinking is Thinking.INSIDE:
            apart = judged.thinks_beside and not judged.beside and not target.local
        else:
            apart = not (target.thinking is Thinking.BUDGETED and judged.beside)
            apart = apart and may_reason(self._request, target)
        return (target.context_window or target.max_output_tokens) if apart else 0

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

    def _may_be_dearer(self) -> bool:
        price = self._target.price
        return price is not None and bool(price.services) and not self.at_list_price


def with_output_limit(target: Target, tokens: int) -> Target:
    """The deployment with a limit of its own, sent where the caller sent none."""
    limited = {**target.params, target.limit_field: msgspec.Raw(b"%d" % tokens)}
    return msgspec.structs.replace(target, params=limited)
