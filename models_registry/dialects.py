"""The wire formats that upstreams speak, and what all servers of one have in common."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.turns.surfaces import Surface


class Dialect(enum.Enum):
    """The wire format that an upstream speaks. `models_registry/backends` has one folder for each. That of
    RESPONSES is `openai/bridge`."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
    GEMINI = "gemini"
    BEDROCK = "bedrock"
    COHERE = "cohere"
    RESPONSES = "responses"

    __hash__ = object.__hash__
    """By identity, as members are compared. Enum's own takes ten times as long."""

    @property
    def facts(self) -> "DialectFacts":
        return DIALECTS[self]


class DialectFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What all servers of a dialect have in common, as far as the cost of a call depends on it."""

    forwards_unknown: bool = False
    """Whether a field that this version does not know goes on to the server. A translation sends no such
    field."""
    searches: bool = False
    """Whether a call may be billed for a web search that the provider runs (`web_search_options`)."""
    known_as: str = ""
    """What the docs call it. Empty: OpenAI's dialect."""
    surfaces: frozenset[Surface] = frozenset()
    """The surfaces that all servers of the dialect have."""
    chat_path: str = "/chat/completions"
    """What is put behind `api_base`."""
    wants_host: bool = False
    """Whether `api_base` is a host without a path."""
    models_path: str = ""
    """What is put behind `api_base` for the list of the server's models. Empty: there is none."""
    version_path: str = ""
    """What comes first behind an `api_base` that has no path."""
    lists_pulled: bool = False
    """Whether the list has all models that the server can call, so that one that it lacks can't be."""
    messages_path: str = "/messages"
    """Likewise for Anthropic's Messages, where a server has them."""
    borrows_messages: bool = False
    """Whether some servers have Messages too, which are another dialect's."""
    shows_thinking: bool = False
    """Whether a model thinks only where a request asks for it, and all of its thinking is in the answer."""
    has_options: bool = False
    """Whether sampling and the runner are set in `options`, with words of their own (`think`, `format`)."""
    rereads_thinking: bool = False
    """Whether a model reads its thinking once more, as input, where the request has a schema."""
    needs_limit: bool = False
    """Whether a request has to state a limit on the output. Where the caller states none, the model's own
    maximum is sent."""
    exceeds_by: int = 0
    """By how many tokens an answer may be longer than its limit."""
    counts_tokens: bool = False
    """Whether its servers count the tokens of a request without answering it."""
    reads_pictures: bool = False
    """Whether its servers fetch a picture from an https address."""
    reads_documents: bool = False
    """Whether its servers fetch a document from an https address."""
    takes_thinking: bool = False
    """Whether a request may have Anthropic's `thinking`."""
    loads_contexts: bool = False
    """Whether a host loads a model with the context of a call, and anew for a call with another one."""
    limits_calls: bool = False
    """Whether its servers take a word for one tool call at a time. Otherwise the gateway sees to it."""
    takes_cache_points: bool = False
    """Whether a request may say what is kept in the cache of prompts (Anthropic's `cache_control`)."""
    without_chat: "Dialect | None" = None
    """The dialect of the same servers' models that have no chat."""
    untranslated: frozenset[str] = frozenset()
    """OpenAI's parameters that a translation to the dialect has no field for."""


NO_FIELD = frozenset(
    {"presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "n", "seed"}
)
DIALECTS: Mapping[Dialect, DialectFacts] = MappingProxyType(
    {
        Dialect.OPENAI: DialectFacts(
            surfaces=frozenset({Surface.CHAT}),
            models_path="/models",
            forwards_unknown=True,
            searches=True,
            borrows_messages=True,
            limits_calls=True,
            reads_pictures=True,
            without_chat=Dialect.RESPONSES,
        ),
        Dialect.ANTHROPIC: DialectFacts(
            known_as="Anthropic's Messages API",
            surfaces=frozenset({Surface.MESSAGES}),
            chat_path="/v1/messages",
            models_path="/v1/models",
            wants_host=True,
            messages_path="/v1/messages",
            needs_limit=True,
            limits_calls=True,
            counts_tokens=True,
            reads_pictures=True,
            reads_documents=True,
            takes_thinking=True,
            takes_cache_points=True,
            untranslated=NO_FIELD,
        ),
        Dialect.OLLAMA: DialectFacts(
            known_as="Ollama's native API",
            chat_path="/api/chat",
            models_path="/api/tags",
            lists_pulled=True,
            wants_host=True,
            shows_thinking=True,
            has_options=True,
            rereads_thinking=True,
            loads_contexts=True,
        ),
        Dialect.GEMINI: DialectFacts(
            known_as="Google's generateContent",
            chat_path="/models/{model}:generateContent",
            models_path="/models",
            version_path="/v1beta",
            exceeds_by=8,  # 101 tokens for a limit of 100 were recorded
            reads_pictures=True,
            reads_documents=True,
            takes_thinking=True,
            untranslated=frozenset({"logit_bias", "n"}),
        ),
        Dialect.BEDROCK: DialectFacts(
            known_as="Bedrock's Converse",
            chat_path="/model/{model}/converse",
            wants_host=True,
            needs_limit=True,
            takes_thinking=True,
            takes_cache_points=True,
            untranslated=NO_FIELD,
        ),
        Dialect.COHERE: DialectFacts(
            known_as="Cohere's v2 chat",
            chat_path="/v2/chat",
            models_path="/v1/models",
            wants_host=True,
            reads_pictures=True,
            takes_thinking=True,
            untranslated=frozenset({"logit_bias", "logprobs", "top_logprobs", "n"}),
        ),
        Dialect.RESPONSES: DialectFacts(
            known_as="OpenAI's Responses",
            surfaces=frozenset({Surface.RESPONSES}),
            chat_path="/responses",
            models_path="/models",
            exceeds_by=15,  # a limit below 16 is raised to it
            limits_calls=True,
            reads_pictures=True,
            reads_documents=True,
            untranslated=(NO_FIELD | {"stop"}) - {"logprobs", "top_logprobs"},
        ),
    }
)
