"""The providers, one row each: what a prefix in `litellm_params.model` stands for.

A provider that speaks a known dialect needs a row here and no code.
"""

from collections.abc import Mapping
from types import MappingProxyType

from models_registry.config.absent import ABSENT, advice
from models_registry.config.openai_like import openai_like
from models_registry.config.provider import NewerLimit, Provider, Signs
from models_registry.config.responses_alone import BRIDGED
from models_registry.dialects import Dialect
from models_registry.facts.allowances import OWN_TEXT_TOKENS
from models_registry.turns.surfaces import Surface

_OF_OTHERS = ("thinking", "cache_control", "top_k", "min_p", "repetition_penalty")
"""Fields of other providers that OpenAI's servers refuse."""
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
        refuses=_OF_OTHERS,
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
    *(
        Provider(
            prefix=prefix,
            dialect=Dialect.OPENAI,
            surfaces=surfaces,
            azure_paths=True,
            key_header="api-key",
            signs=Signs.ENTRA,
            api_base=None,
            hosts=("*.openai.azure.com", "*.cognitiveservices.azure.com", "*.services.ai.azure.com"),
            api_base_env=(f"{name}_API_BASE", f"{name}_ENDPOINT"),
            api_key_env=(f"{name}_API_KEY", "AZURE_OPENAI_API_KEY"),
            usual_base="https://<resource>.openai.azure.com",
            price_id="azure",
            newer_limit=NewerLimit(models=("gpt-5", "o1", "o3", "o4")),
            refuses=refuses,
            routes=("o_series/", "gpt5_series/"),
            claude_path=claude_path,
            sources=("recordings", "docs", "litellm"),
        )
        for prefix, name, surfaces, refuses, claude_path in (
            ("azure", "AZURE", (Surface.RESPONSES,), _OF_OTHERS, ""),
            ("azure_ai", "AZURE_AI", (), (), "/anthropic"),  # models of other makers too
            ("azure_text", "AZURE", (Surface.COMPLETIONS,), _OF_OTHERS, ""),
        )
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
        prefix="gemini",
        dialect=Dialect.GEMINI,
        api_base="https://generativelanguage.googleapis.com",
        hosts=("generativelanguage.googleapis.com",),
        api_base_env=("GEMINI_API_BASE", "GOOGLE_GEMINI_BASE_URL"),
        api_key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY"),  # in this order at Google's SDK and at LiteLLM
        key_header="x-goog-api-key",
        price_id="google",
        sources=("recordings", "docs", "litellm"),
    ),
    *(
        Provider(
            prefix=prefix,
            dialect=Dialect.GEMINI,
            signs=Signs.GOOGLE,
            api_base=None,
            hosts=("*.googleapis.com",),
            api_base_env=("VERTEXAI_API_BASE",),
            key_header="x-goog-api-key",
            needs_key=False,
            usual_base="https://<location>-aiplatform.googleapis.com",
            routes=("gemini/",),
            price_id="google",
            sources=("recordings", "docs", "litellm"),
        )
        for prefix in ("vertex_ai", "vertex_ai_beta")
    ),
    *(
        Provider(
            prefix=prefix,
            dialect=Dialect.BEDROCK,
            signs=Signs.AWS,
            api_base="https://bedrock-runtime.{AWS_REGION}.amazonaws.com",
            hosts=("bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com"),
            api_base_env=("AWS_BEDROCK_RUNTIME_ENDPOINT",),
            api_key_env=("AWS_BEARER_TOKEN_BEDROCK",),
            needs_key=False,
            price_id="aws",
            sources=("recordings", "docs", "litellm"),
        )
        for prefix in ("bedrock", "bedrock_converse")
    ),
    Provider(
        prefix="cohere_chat",
        dialect=Dialect.COHERE,
        api_base="https://api.cohere.com",
        hosts=("api.cohere.com", "api.cohere.ai"),
        api_base_env=("COHERE_API_BASE",),
        api_key_env=("COHERE_API_KEY", "CO_API_KEY"),
        price_id="cohere",
        sources=("recordings", "docs", "litellm"),
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

PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.prefix: row for row in (*_ROWS, *openai_like())})


KNOWN = "`just providers` lists the known ones, such as openai, anthropic, azure, groq, mistral and ollama"


REASONING_ROUTE = "o_series/"


def limit_field(provider: Provider, api_base: str, model: str, written: str = "") -> str:
    """The field in which a model takes a limit on the output. `written` is the model as the config has it."""
    if REASONING_ROUTE in provider.routes and any(f"/{each}" in f"/{written}" for each in provider.routes):
        return "max_completion_tokens"
    if provider.limit_name:
        return provider.limit_name
    return "max_completion_tokens" if provider.newer_limit.holds(api_base, model) else "max_tokens"


class UnknownProvider(ValueError):
    """A provider that is not known, or not named. The message does not repeat the name. `forced`: the name
    stands in `custom_llm_provider`."""

    def __init__(self, message: str, *, forced: bool = False) -> None:
        super().__init__(message)
        self.forced = forced


def _named(provider: Provider, model: str) -> tuple[Provider, str]:
    """The provider, and the name that it knows."""
    if Surface.RESPONSES in provider.surfaces:
        model = model.removeprefix(BRIDGED)
    return provider, model.removeprefix(next(filter(model.startswith, provider.routes), ""))


def split(model: str, forced: str | None) -> tuple[Provider, str]:
    """The provider of `openai/gpt-4`, and the name `gpt-4` that it knows. `forced` is `custom_llm_provider`.
    Raises UnknownProvider."""
    prefix, slash, rest = model.partition("/")
    if forced is not None:
        if forced in ABSENT:
            raise UnknownProvider(advice(forced), forced=True)
        if forced not in PROVIDERS:
            raise UnknownProvider(f"is no known provider; {KNOWN}", forced=True)
        return _named(PROVIDERS[forced], rest if slash and prefix == forced else model)
    if slash and prefix in PROVIDERS:
        return _named(PROVIDERS[prefix], rest)
    if slash and prefix in ABSENT:
        raise UnknownProvider(advice(prefix))
    if not slash:
        for provider in PROVIDERS.values():
            if model.startswith(provider.bare_names):
                return provider, model
    raise UnknownProvider(
        f"names no provider; write it as provider/model: {KNOWN}"
        " (any server that speaks OpenAI's dialect: openai/<model> with api_base)"
    )
