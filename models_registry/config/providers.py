"""The providers, one row each: what a prefix in `litellm_params.model` stands for.

A provider that speaks a known dialect needs a row here and no code.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.config.absent import ABSENT
from models_registry.facts.addresses import is_at
from models_registry.facts.allowances import OWN_TEXT_TOKENS, TEMPLATE_TOKENS
from models_registry.target import Dialect
from models_registry.turns.surfaces import Surface


class NewerLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider takes `max_completion_tokens` in place of `max_tokens`. OpenAI's reasoning models know
    only the newer name. Compatible servers often know only the older one, and a name that a server does not
    know limits nothing."""

    hosts: tuple[str, ...] = ()
    """Hosts that take the newer name for every model. A subdomain counts as its host."""
    models: tuple[str, ...] = ()
    """Beginnings of the names of models that take the newer name at any host."""
    not_models: tuple[str, ...] = ()
    """Beginnings of names that are exceptions to `models`."""

    def holds(self, api_base: str, model: str) -> bool:
        name = model.rpartition("/")[2]
        known = name.startswith(self.models) and not name.startswith(self.not_models)
        return known or any(is_at(host, api_base) for host in self.hosts)


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider. `api_base` None: the config must give an address. The names of environment variables are
    tried in order. `hosts` are the provider's own hosts, to which the environment's key may go. A `*` in one
    stands for one label: `*.api.openai.com`."""

    prefix: str
    dialect: Dialect
    api_base: str | None
    hosts: tuple[str, ...] = ()
    api_base_env: tuple[str, ...] = ()
    api_key_env: tuple[str, ...] = ()
    needs_key: bool = True
    local: bool = False
    """Whether it runs on the user's own machines: calls cost nothing unless the config says otherwise."""
    price_id: str | None = None
    """The provider's id in the price data."""
    template_tokens: int = TEMPLATE_TOKENS
    """The most tokens that its chat templates add to a call (`models_registry/facts/allowances.py`)."""
    takes_metadata: bool = False
    """Whether the provider keeps a request's `metadata` with a stored answer."""
    declares_fields: bool = False
    """Whether the provider's own hosts refuse a call with a field that its API does not declare."""
    bare_names: tuple[str, ...] = ()
    """Beginnings of the names of models that need no prefix, as at LiteLLM: `gpt-4` is `openai/gpt-4`."""
    newer_limit: NewerLimit = NewerLimit()
    more_limits: tuple[str, ...] = ()
    """Further fields in which its servers take a limit on the output. They come before the dialect's own
    field."""
    refuses: tuple[str, ...] = ()
    """Fields that clients of other providers send, and that this provider's own hosts refuse."""
    surfaces: tuple[Surface, ...] = ()
    """The surfaces that the provider's own hosts have beside those of the dialect. Where the provider has no
    hosts of its own, all of its servers have them."""
    own_fields: tuple[str, ...] = ()
    """Fields of a body that its servers know although LiteLLM uses their names itself."""
    strict_messages: bool = False
    """Whether the provider's own hosts refuse messages with fields that OpenAI does not declare."""
    bills_failures: bool = False
    """Whether the provider charges for calls that it answers with an error, where `model_info` does not
    say."""


_ROWS = (
    Provider(
        prefix="openai",
        dialect=Dialect.OPENAI,
        api_base="https://api.openai.com/v1",
        hosts=("api.openai.com", "*.api.openai.com"),  # eu.api.openai.com: data residency
        api_base_env=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        api_key_env=("OPENAI_API_KEY",),
        surfaces=(Surface.RESPONSES,),
        takes_metadata=True,
        strict_messages=True,
        refuses=("thinking", "cache_control", "top_k", "min_p", "repetition_penalty"),
        declares_fields=True,
        price_id="openai",
        bare_names=("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-"),
        newer_limit=NewerLimit(
            hosts=("openai.com", "azure.com"),
            models=("gpt-", "chatgpt-", "o1", "o3", "o4"),
            not_models=("gpt-oss",),
        ),
    ),
    Provider(
        prefix="text-completion-openai",
        dialect=Dialect.OPENAI,
        surfaces=(Surface.COMPLETIONS,),
        api_base="https://api.openai.com/v1",
        hosts=("api.openai.com", "*.api.openai.com"),
        api_base_env=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        api_key_env=("OPENAI_API_KEY",),
        declares_fields=True,
        price_id="openai",
    ),
    Provider(
        prefix="anthropic",
        dialect=Dialect.ANTHROPIC,
        api_base="https://api.anthropic.com",
        hosts=("api.anthropic.com",),
        api_base_env=("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
        api_key_env=("ANTHROPIC_API_KEY",),
        price_id="anthropic",
        bare_names=("claude-",),
    ),
    Provider(
        prefix="ollama",
        dialect=Dialect.OLLAMA,
        template_tokens=OWN_TEXT_TOKENS,
        api_base="http://localhost:11434",
        hosts=("ollama.com",),
        api_base_env=("OLLAMA_API_BASE",),
        api_key_env=("OLLAMA_API_KEY",),
        needs_key=False,
        local=True,
    ),
    Provider(
        prefix="ollama_chat",
        dialect=Dialect.OLLAMA,
        template_tokens=OWN_TEXT_TOKENS,
        api_base="http://localhost:11434",
        hosts=("ollama.com",),
        api_base_env=("OLLAMA_API_BASE",),
        api_key_env=("OLLAMA_API_KEY",),
        needs_key=False,
        local=True,
    ),
    Provider(
        prefix="hosted_vllm",
        dialect=Dialect.OPENAI,
        surfaces=(Surface.COMPLETIONS,),
        api_base=None,
        api_base_env=("HOSTED_VLLM_API_BASE",),
        own_fields=("priority",),  # https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html
        api_key_env=("HOSTED_VLLM_API_KEY",),
        needs_key=False,
        local=True,
    ),
    Provider(
        prefix="llamacpp",
        dialect=Dialect.OPENAI,
        surfaces=(Surface.COMPLETIONS,),
        api_base=None,
        api_base_env=("LLAMACPP_API_BASE",),
        api_key_env=("LLAMACPP_API_KEY",),
        more_limits=("n_predict",),
        needs_key=False,
        local=True,
    ),
    Provider(
        prefix="llamafile",
        dialect=Dialect.OPENAI,
        surfaces=(Surface.COMPLETIONS,),
        api_base="http://127.0.0.1:8080/v1",
        api_base_env=("LLAMAFILE_API_BASE",),
        api_key_env=("LLAMAFILE_API_KEY",),
        more_limits=("n_predict",),
        needs_key=False,
        local=True,
    ),
    Provider(
        prefix="lm_studio",
        dialect=Dialect.OPENAI,
        surfaces=(Surface.COMPLETIONS,),
        api_base=None,
        api_base_env=("LM_STUDIO_API_BASE",),
        api_key_env=("LM_STUDIO_API_KEY",),
        needs_key=False,
        local=True,
    ),
    Provider(
        prefix="custom_openai",
        dialect=Dialect.OPENAI,
        api_base=None,
        needs_key=False,
    ),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.prefix: row for row in _ROWS})


def limit_field(provider: Provider, api_base: str, model: str) -> str:
    """The field in which a model takes a limit on the output."""
    return "max_completion_tokens" if provider.newer_limit.holds(api_base, model) else "max_tokens"


class UnknownProvider(ValueError):
    """A provider that is not known, or not named. The message does not repeat the name. `forced`: the name
    stands in `custom_llm_provider`."""

    def __init__(self, message: str, *, forced: bool = False) -> None:
        super().__init__(message)
        self.forced = forced


def split(model: str, forced: str | None) -> tuple[Provider, str]:
    """The provider of `openai/gpt-4`, and the name `gpt-4` that it knows. `forced` is `custom_llm_provider`.
    Raises UnknownProvider."""
    prefix, slash, rest = model.partition("/")
    if forced is not None:
        if forced in ABSENT:
            raise UnknownProvider(ABSENT[forced].advice(), forced=True)
        if forced not in PROVIDERS:
            raise UnknownProvider(f"is no known provider; known are {', '.join(PROVIDERS)}", forced=True)
        return PROVIDERS[forced], rest if slash and prefix == forced else model
    if slash and prefix in PROVIDERS:
        return PROVIDERS[prefix], rest
    if slash and prefix in ABSENT:
        raise UnknownProvider(ABSENT[prefix].advice())
    if not slash:
        for provider in PROVIDERS.values():
            if model.startswith(provider.bare_names):
                return provider, model
    raise UnknownProvider(
        f"names no provider; write it as provider/model with one of {', '.join(PROVIDERS)}"
        " (any server that speaks OpenAI's dialect: openai/<model> with api_base)"
    )
