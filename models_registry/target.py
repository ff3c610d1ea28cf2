"""One deployment, ready to be called: everything that a backend and the upstream client need."""

import enum
import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import msgspec

from models_registry.dialects import Dialect
from models_registry.facts.allowances import TEMPLATE_TOKENS, Thinking
from models_registry.facts.table import ModelFacts
from models_registry.prices.price import Price
from models_registry.prices.pricing import Pricing, timed
from models_registry.signing import Signing
from models_registry.turns.surfaces import Surface
from schema.secret import Secret

FieldPath = tuple[str, ...]
"""The steps to a field of a request: `("tools", "*", "function", "strict")`."""
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
    cooldown_s: float | None = None
    """Its first cooldown. None: the one of `router_settings`."""
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
