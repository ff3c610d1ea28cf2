"""One deployment, ready to be called: everything a backend and the upstream client need."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.facts.allowances import TEMPLATE_TOKENS, Thinking
from models_registry.prices.price import Price
from models_registry.prices.pricing import Pricing
from schema.secret import Secret

FieldPath = tuple[str, ...]
"""The steps to a field of a request: `("tools", "*", "function", "strict")`."""


class Dialect(enum.Enum):
    """The wire format an upstream speaks; `models_registry/backends` has one module for each."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"

    __hash__ = object.__hash__
    """By identity, as members are compared. Enum's own takes ten times as long."""

    @property
    def facts(self) -> "DialectFacts":
        return DIALECTS[self]


class DialectFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What all servers of a dialect have in common, as far as the cost of a call depends on it."""

    forwards_unknown: bool = False
    """A field that nobody knows goes on to the server. A translation sends none."""
    searches: bool = False
    """A call may be billed for a web search that the provider runs (`web_search_options`)."""
    chat_path: str = "/chat/completions"
    """What is put behind `api_base`."""
    shows_thinking: bool = False
    """The model thinks only where it is asked to, and all that it thinks is sent."""
    has_options: bool = False
    """Sampling and the runner are set in `options`, with words of their own (`think`, `format`)."""
    rereads_thinking: bool = False
    """With a schema the model reads what it thought again as its prompt."""


DIALECTS: Mapping[Dialect, DialectFacts] = MappingProxyType(
    {
        Dialect.OPENAI: DialectFacts(forwards_unknown=True, searches=True),
        Dialect.ANTHROPIC: DialectFacts(chat_path="/v1/messages"),
        Dialect.OLLAMA: DialectFacts(
            chat_path="/api/chat", shows_thinking=True, has_options=True, rereads_thinking=True
        ),
    }
)


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider proves who it is, and how we do. Files are paths of PEM files."""

    verify: bool = True
    ca_file: str | None = None
    """A file of the authorities that are believed in place of the system's."""
    ca_path: str | None = None
    """A folder of such files."""
    certificate: str | None = None
    """A file with our own certificate and its key; without a key in it, of authorities that are believed
    beside the others."""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long each step of an upstream call may take, in seconds."""

    connect_s: float = 10.0
    first_byte_s: float = 600.0
    """From the request sent to the first byte of the answer: a local model may have to load."""
    idle_s: float = 120.0
    """Between two reads of the answer."""
    total_s: float = 6000.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment of a public model name."""

    model_id: str
    """The deployment's stable id (`x-litellm-model-id`)."""
    public_name: str
    provider: str
    """The prefix in the config: `openai`, `anthropic`, `ollama`, `hosted_vllm` ..."""
    dialect: Dialect
    model: str
    """The name the provider knows, without the prefix."""
    api_base: str
    """Without a trailing slash. OpenAI dialect: with its `/v1`; the others: the bare host."""
    api_key: Secret | None = None
    headers: dict[str, str] = {}
    """Fixed headers from the config (`extra_headers`)."""
    tls: TlsOptions | None = None
    """How TLS is spoken to it; None: as to all."""
    params: dict[str, msgspec.Raw] = {}
    """Further keys of `litellm_params`, sent as body fields where the caller sent none."""
    asks_for_usage: bool = True
    """Whether a stream is asked for its usage; false where the server refuses `stream_options`."""
    drop_params: bool = False
    """Drop what the backend can't honour instead of refusing it."""
    dropped: tuple[FieldPath, ...] = ()
    """Fields that are never sent (`additional_drop_params`)."""
    max_output_tokens: int | None = None
    context_window: int | None = None
    """Most tokens of input and output together, where the price list knows it."""
    max_call_nano: int | None = None
    """The most one call can cost, where its own request does not say (`model_info.max_call_cost`)."""
    free_params: frozenset[str] = frozenset()
    """Fields that the config says cost nothing (`free_params`), as `judgement.Unbounded` names them."""
    is_agent: bool = False
    """Whether the model runs tools of its own at every call, so that no field bounds what it costs."""
    template_tokens: int = TEMPLATE_TOKENS
    """What the chat template and the host add to a call's input at most."""
    states_template: bool = False
    """Whether the config says how much that is."""
    least_output_tokens: int = 0
    """What the host makes of a smaller limit on the output."""
    thinking: Thinking = Thinking.INSIDE
    """Where the model's thinking is counted, where it thinks."""
    limit_field: str = "max_tokens"
    """The field in which the server takes a limit on the output that is not the caller's own."""
    more_limits: tuple[str, ...] = ()
    """Further fields in which the server takes such a limit: `n_predict`."""
    supports_reasoning: bool | None = None
    """Whether the model reasons, where the config says so; None: its name decides."""
    deadlines: Deadlines = Deadlines()
    pricing: Pricing = Pricing()
    price: Price | None = None
    """What `pricing` says for `model`. None: the price is unknown. Local models have a price of zero."""
    weight: float = 1.0
    retries: int | None = None
    """How often a call is retried whose attempt at this deployment failed, where the config says so."""
    local: bool = False
    takes_metadata: bool = False
    """Whether `metadata` may go there with an answer that is stored there."""
    bills_failures: bool = False
    """Whether the provider charges for calls that it answers with an error."""
