"""Upper bounds of what a call for text can use, from the request alone. A budget holds what they cost.

The input is bounded by its bytes and by allowances for what providers add. The output is bounded by the limit
that was sent, else by what the model can make. An allow-list says what the other fields do to the cost
(`models_registry/bounds/field_costs.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import msgspec

from models_registry.bounds.input import BYTES_A_TOKEN, MessageText
from models_registry.bounds.judgement import Judged, Unbounded, tier_is_priced
from models_registry.bounds.reasoning import may_reason, reasons_unseen
from models_registry.facts.allowances import IMAGE_TOKENS, MESSAGE_TOKENS, TOOLS_TOKENS, Thinking
from models_registry.target import Target
from schema.usage import UNKNOWN_TIER, RareMeters, Usage

DEFAULT_OUTPUT_TOKENS = 4096
MAX_BOUND = 2**31 - 1
UNRECEIVED_TOKENS = 1024
"""The tokens that a provider may have made of an answer that broke off, and that never came: half a second at
2,000 tokens a second, the fastest rate known. The half second covers the last bytes on their way, and the
time until the provider sees that nobody reads. Events have some 200 bytes a token, so this also covers what
sockets hold."""
LONGEST_TOKEN_BYTES = 512
"""The most bytes of text that a token of any known vocabulary stands for (the longest of o200k has 128). A
count of output tokens below the answer's bytes divided by this can't be true."""
LISTED_TIERS = (b'"default"', b'"flex"', b'"standard_only"')
"""Values of `service_tier` with which a call costs no more than its list price."""


class TextBounds(ABC):
    """The most that a call for text can use at one deployment. A subclass says how its surface's requests are
    read."""

    __slots__ = ("_cap", "_fields", "_judged", "_prompt", "_sent", "_target", "_text", "_thinking")

    def __init__(
        self,
        fields: Mapping[str, msgspec.Raw],
        sent: Mapping[str, msgspec.Raw],
        judged: Judged,
        target: Target,
    ) -> None:
        """`fields` are the caller's, and `sent` those that go to the provider."""
        self._fields = fields
        self._sent = sent
        self._judged = judged
        self._target = target
        self._thinking = self._apart()
        """The most tokens of thinking beside the limit of one answer, where no budget for thinking bounds
        them. 0: there is no such thinking. None: nothing bounds it."""
        self._text: MessageText | None = None
        self._prompt: int | None = None
        self._cap: int | None = None

    @abstractmethod
    def _measured(self) -> MessageText:
        """What the conversation or the prompt holds."""

    @property
    @abstractmethod
    def _messages(self) -> int:
        """The number of messages."""

    @property
    @abstractmethod
    def _conversation(self) -> msgspec.Raw:
        """The field that holds the conversation or the prompt."""

    @abstractmethod
    def _unbounded_content(self) -> Unbounded | None:
        """The first part of the conversation or the tools without a known bound."""

    @property
    def text(self) -> MessageText:
        """See `_measured`. It is measured once."""
        if self._text is None:
            self._text = self._measured()
        return self._text

    @property
    def limited(self) -> bool:
        """Whether the caller or the deployment says how long an answer may be."""
        return self._judged.limit is not None

    @property
    def reasons(self) -> bool:
        """Whether the model may think before it answers, so that a short limit leaves nothing to read."""
        return may_reason(self._fields, self._target)

    @property
    def prompt_tokens(self) -> int:
        """The most tokens that the input can have. Files and audio have no bound and are not counted."""
        if self._prompt is None:
            judged, text, fields = self._judged, self.text, self._sent
            total = text.max_bytes + MESSAGE_TOKENS * self._messages
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
        """The tokens that one answer may have whatever its limit is, by a budget for thinking or by a
        minimum."""
        return self._judged.at_least

    @property
    def images(self) -> int:
        """The pictures in the request. Its decoded parts are counted, since JSON can spell a name in many
        ways."""
        return self.text.images

    @property
    def searches(self) -> int:
        """The web searches that the provider runs itself and does not count, 0 or 1."""
        return 0

    @property
    def at_list_price(self) -> bool:
        """Whether the call is sure to be served at the standard service tier, or at a cheaper one. It is not
        sure where no field says so: then the provider's settings decide (OpenAI's projects have one)."""
        raw = self._sent.get("service_tier")
        return raw is not None and bytes(raw) in LISTED_TIERS

    @property
    def output_tokens(self) -> int | None:
        """The most tokens of all answers together. None: nothing bounds them."""
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
        return self._answers_of(target.context_window - (self._thinking or 0))  # thinking is all of it, or 0

    def cap(self, tokens: int) -> None:
        """Limit each answer to this number of tokens, since the gateway will send a limit of its own."""
        self._cap = tokens

    def unbounded_field(self) -> Unbounded | None:
        """A field that leaves the cost without a known bound. None: there is no such field."""
        found, fields, target = self._judged.unbounded, self._sent, self._target
        if found is None and self._thinking is None and "model" not in target.free_params:
            found = Unbounded("model", "model")
        if found is None and "service_tier" in fields and not tier_is_priced(fields, target):
            found = Unbounded("service_tier", "service_tier")
        return self._unbounded_content() if found is None else found

    def usage(self) -> Usage:
        """All that the call can use, for an uncertain attempt."""
        most = self.output_tokens
        return self._used(self._asked() if most is None else most)

    def produced(self, shown_bytes: int, *, whole: bool = False) -> Usage:
        """The most that an answer without a count can have used. A token has at least one of the
        `shown_bytes`, and there are no more tokens than the request allows. A model that reasons unseen may
        have used all that the request allows. Where the answer is not `whole`, some of its tokens never
        came."""
        if not whole and not self._target.local:
            shown_bytes += UNRECEIVED_TOKENS * self.answers
        most, unseen = self.output_tokens, reasons_unseen(self._fields, self._target)
        if most is None:
            return self._used(max(shown_bytes, self.usage().completion_tokens) if unseen else shown_bytes)
        return self._used(most if unseen else min(shown_bytes, most))

    def completed(self, usage: Usage | None, most_bytes: int, told_bytes: Callable[[], int | None]) -> Usage:
        """The usage that a complete answer is booked at: the provider's report, with a bound for each count
        that is missing or can't be true. `told_bytes` gives the bytes that the model said, or None where the
        answer has another shape. It is asked only in doubt. `most_bytes` is never less."""
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
        """The usage that a broken answer is booked at: the input that was reported, else its bound, and a
        bound of the output."""
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
        """About how many tokens the call will use, for limits by the minute. `output_tokens` counts where the
        request has no limit. Thinking beside the limit is left out, since it is mostly far below its
        bound."""
        output = output_tokens
        if self.limited:
            output = self._asked() - self.answers * (self._thinking or 0)
        return memoryview(self._conversation).nbytes // BYTES_A_TOKEN + 1 + output

    def _asked(self) -> int:
        """The most tokens of all answers, by the limit that was sent, else by the model's maximum, else by
        the default."""
        limit, most = self._judged.limit, self._target.max_output_tokens
        if limit is None:
            return self._answers_of(most or self.at_least + DEFAULT_OUTPUT_TOKENS)
        return self._answers_of(limit if most is None else min(limit, most))

    def _answers_of(self, tokens: int) -> int:
        """The most tokens of all answers where each has this limit, with the thinking beside it."""
        tokens = max(tokens, self.at_least, self._target.least_output_tokens)
        return min(self.answers * (tokens + self.beside), MAX_BOUND)

    @property
    def beside(self) -> int:
        """The most tokens that come beside the limit of one answer. Unbounded thinking counts as 0."""
        return self._judged.beside + (self._thinking or 0) + self._target.dialect.facts.exceeds_by

    def _apart(self) -> int | None:
        judged, target = self._judged, self._target
        if target.thinking is Thinking.INSIDE:
            apart = judged.thinks_beside and not judged.beside and not target.local
        else:
            apart = not (target.thinking is Thinking.BUDGETED and judged.beside)
            apart = apart and may_reason(self._fields, target)
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
