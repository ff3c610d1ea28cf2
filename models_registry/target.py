"""One deployment, ready to be called: everything that a backend and the upstream client need."""

import enum
import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.facts.allowances import TEMPLATE_TOKENS, Thinking
from models_registry.facts.table import ModelFacts
from models_registry.prices.price import Price
from models_registry.prices.pricing import Pricing, timed
from models_registry.signing import Signing
from models_registry.turns.surfaces import Surface
from schema.secret import Secret

FieldPath = tuple[str, ...]
"""The steps to a field of a request: `("tools", "*", "function", "strict")`."""


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


_ANSWERS_BY = (
    "provider", "dialect", "model", "api_base", "messages_base", "path_prefix", "query",
    "headers", "params", "own_fields", "drop_params", "dropped", "max_output_tokens", "context_window",
    "limit_field", "residency", "takes_metadata", "refused_in_messages", "strict_messages", "facts",
    "refuses", "renames_limit", "joins_content", "watched",
)  # fmt: skip
"""The facts of a deployment that its answers depend on."""
_facts_of = attrgetter(*_ANSWERS_BY)


def surfaces_of(target: "Target") -> list[str]:
    """The names of the surfaces that a deployment has beside those of its dialect, in one order."""
    return sorted(surface.value for surface in target.more_surfaces)


def group_of(targets: "Sequence[Target]") -> str:
    """What stands for the deployments of one model, as far as answers depend on them."""
    facts = sorted(
        msgspec.json.encode((surfaces_of(each), *_facts_of(each)), order="deterministic") for each in targets
    )
    return blake2b(b"\n".join(facts), digest_size=16).hexdigest()


class Residency(enum.Enum):
    """Where the calls at a deployment stay."""

    ANYWHERE = "anywhere"
    NEAR = "near"
    """The provider is a local one, and its address is this machine's or its network's. Where a call must stay
    local, the address that is connected to is judged."""
    LOCAL = "local"
    """The config says that its calls stay local. The address that is connected to is always judged."""
    TRUSTED = "trusted"
    """The config says that its calls stay local, and that its public address is the owner's."""

    @property
    def is_local(self) -> bool:
        return self is not Residency.ANYWHERE


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
    """From the end of the request to the first byte of the answer. A local model may have to load first."""
    idle_s: float = 120.0
    """Between two reads of the answer."""
    total_s: float = 6000.0

    def asked(self, total_s: float | None, idle_s: float | None) -> "Deadlines":
        """The deadlines of a call that asks for its own. None: those of the deployment."""
        total = self.total_s if total_s is None else total_s
        usual = Deadlines()
        own_idle_s = self.idle_s if self.idle_s < self.total_s else usual.idle_s
        connect_s = self.connect_s if self.connect_s < self.total_s else usual.connect_s
        first_byte_s = self.first_byte_s if self.first_byte_s < self.total_s else usual.first_byte_s
        return Deadlines(
            connect_s=min(connect_s, total),
            first_byte_s=min(first_byte_s, total),
            idle_s=min(own_idle_s if idle_s is None else idle_s, total),
            total_s=total,
        )


UNORDERED = 1_000_000
"""The `order` of a deployment whose config names none: it comes after those that have one."""


class DeploymentBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget of a deployment or of a provider."""

    provider: str = ""
    """The provider whose budget it is, such as `openai`. Empty: the deployment's own."""
    limit_nano: int
    """In nano-USD."""
    duration: str
    """The length of its window, such as `1d`."""

    def account(self, model_id: str = "") -> str:
        """The name of its account: one for all deployments of a provider, or that of the deployment."""
        whose = f"provider:{self.provider}" if self.provider else f"deployment:{model_id}"
        return f"money:{whose}:{self.duration}"


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """What all calls of the gateway together may take of one deployment. None: as much as they like."""

    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    budgets: tuple[DeploymentBudget, ...] = ()


class CachePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mark of the cache goes: behind the tools, on one message, or on all messages of a role."""

    tools: bool = False
    role: str = ""
    index: int | None = None
    """The place of the message, the system's text included. -1 is the last one."""
    control: msgspec.Raw
    """The mark, such as `{"type": "ephemeral"}`."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment of a public name, ready to be called."""

    model_id: str
    """The deployment's stable id (`x-litellm-model-id`)."""
    public_name: str
    provider: str
    """The prefix in the config: `openai`, `anthropic`, `ollama`, `hosted_vllm` ..."""
    dialect: Dialect
    model: str
    """The name that the provider knows, without the prefix: `gpt-4`."""
    api_base: str
    """The address without a trailing slash. It has the `/v1` in the OpenAI dialect
    (`https://api.openai.com/v1`) and is the bare host in most others (`http://localhost:11434`)."""
    api_key: Secret | None = None
    more_surfaces: frozenset[Surface] = frozenset()
    """The surfaces that the deployment has beside those of its dialect."""
    messages_base: str = ""
    """The address of Messages, up to `/messages`, where it is not `api_base`:
    `https://api.deepseek.com/anthropic/v1`. For other dialects than Anthropic's."""
    path_prefix: str = ""
    """What stands between `api_base` and the path of an operation; `{model}` in it is the deployment's name
    at the provider (Azure)."""
    body_version: str = ""
    """Anthropic's version where a request has it in its body and the model in its address, as on Vertex AI:
    `vertex-2023-10-16`. Empty: Anthropic's own form."""
    query: str = ""
    """What stands behind the path, such as `?api-version=2024-10-21`."""
    key_header: str = "authorization"
    """The header that carries the key; `authorization` has `Bearer` before it."""
    signing: Signing | None = None
    """How its calls are signed, or where their token comes from. None: the key stands in a header."""
    headers: dict[str, str] = {}
    """Fixed headers from the config (`extra_headers`)."""
    tls: TlsOptions | None = None
    """How TLS is spoken to it; None: as to all."""
    params: dict[str, msgspec.Raw] = {}
    """Further keys of `litellm_params`. Each is sent as a field of the body where the caller did not send
    it."""
    cache_points: tuple[CachePoint, ...] = ()
    """Where a request without a mark of its caller's gets one."""
    own_fields: frozenset[str] = frozenset()
    """Fields of a body that the server knows although LiteLLM uses their names itself, such as `priority`."""
    asks_for_usage: bool = True
    """Whether a stream is asked for its usage. False: the server refuses `stream_options`."""
    drop_params: bool = False
    """Whether a field that the backend can't honour is dropped. False: the request is refused."""
    dropped: tuple[FieldPath, ...] = ()
    """Fields that are never sent (`additional_drop_params`)."""
    max_output_tokens: int | None = None
    context_window: int | None = None
    """The most tokens of input and output together. None: the price data does not know it."""
    max_call_nano: int | None = None
    """The most that one call can cost, in nano-USD (`model_info.max_call_cost`). It counts where a field of
    the request has no known bound."""
    free_params: frozenset[str] = frozenset()
    """Fields that cost nothing, as the config's `free_params` says. They are spelt as in `Unbounded.name`:
    `messages.content.file`."""
    is_agent: bool = False
    """Whether the model runs tools of its own at every call, so that no field bounds what a call costs."""
    template_tokens: int = TEMPLATE_TOKENS
    """The most tokens that the chat template and the host add to a call's input."""
    states_template: bool = False
    """Whether `template_tokens` is a figure of the config."""
    least_output_tokens: int = 0
    """The tokens to which the host raises a smaller limit on the output. 0: it takes any limit."""
    thinking: Thinking = Thinking.INSIDE
    """Where the model's thinking is counted, if the model thinks."""
    limit_field: str = "max_tokens"
    """The field in which the server gets a limit on the output that this gateway sets."""
    more_limits: tuple[str, ...] = ()
    """Further fields in which the server takes a limit on the output, such as `n_predict`."""
    supports_reasoning: bool | None = None
    """Whether the model reasons, as the config says. None: the model's name decides."""
    deadlines: Deadlines = Deadlines()
    pricing: Pricing = Pricing()
    price: Price | None = None
    """What `pricing` says for `model`. None: the price is unknown. Local models have a price of zero."""
    weight: float = 1.0
    order: int = UNORDERED
    """Deployments with a lower number are asked before those with a higher one."""
    peers: int = 1
    """How many deployments its model has, with this one."""
    group: str = ""
    """What stands for all of them together, as far as answers depend on them. It is another one when one of
    them is changed."""
    guardrails: tuple[str, ...] = ()
    """The names of the guardrails that its calls pass, beside those of everybody."""
    tags: frozenset[str] = frozenset()
    """The request tags that the deployment is for."""
    region: str = ""
    """Where the model runs, such as `eu-west-1`. Empty: nobody knows."""
    rpm: int | None = None
    """Its requests a minute, as the config has them. They are a limit where `capacity` says so."""
    tpm: int | None = None
    capacity: "Capacity | None" = None
    """Its own limits and budgets. None: it has none."""
    retries: int | None = None
    """How often a call is retried after an attempt at this deployment failed. None: the config does not say
    it for this deployment."""
    local: bool = False
    residency: Residency = Residency.ANYWHERE
    judged: bool = False
    """Whether somebody entered its address through the API. It is then judged at each connection where the
    name in it leads."""
    takes_metadata: bool = False
    """Whether a request's `metadata` goes to the provider where the provider is asked to store the answer."""
    refused_in_messages: frozenset[str] = frozenset()
    """Fields of earlier answers that the server refuses in messages, such as `reasoning_content`. They are
    left out."""
    strict_messages: bool = False
    """Whether the server refuses a message with a field that OpenAI does not declare, such as
    `reasoning_content`. Then such fields are left out."""
    bills_failures: bool = False
    """Whether the provider charges for calls that it answers with an error."""
    facts: ModelFacts | None = None
    """What the model takes, with what the config says of it. None: nobody knows it."""
    refuses: frozenset[str] = frozenset()
    """Fields of a request that the model refuses, or that its provider does not know: they are left out under
    `drop_params`."""
    renames_limit: str = ""
    """The field as which `max_tokens` and `max_completion_tokens` go to the provider. Empty: as they came."""
    joins_content: bool = False
    """Whether a message's content must be one text."""
    watched: frozenset[str] = frozenset()
    """Fields that may have to be changed or left out under `drop_params`."""
    info: Mapping[str, Any] = {}  # any YAML
    """The config's `model_info`."""

    @property
    def stays_home(self) -> bool:
        """Whether its calls stay in the house as far as the config says: the provider is a local one, or
        `residency` says so."""
        return self.local or self.residency.is_local

    def under(self, deadlines: Deadlines) -> "Target":
        """The same deployment under other deadlines. The most that its time can cost follows them."""
        price = self.price
        if price is not None:
            price = timed(price, math.ceil(deadlines.total_s * 1000))
        return msgspec.structs.replace(self, deadlines=deadlines, price=price)
