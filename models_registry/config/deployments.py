"""Turns a config entry into a target: provider, address, credential, limits and price."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec

from models_registry.backends.dropping import leave_out
from models_registry.config.access import CREDENTIAL_HEADERS, address_of, api_key_of, has_key, is_usable
from models_registry.config.cache_points import cache_points_of
from models_registry.config.capacity import place_of, weight_of
from models_registry.config.credentials import check_given, check_identity, signing_of
from models_registry.config.deadlines import deadlines_of
from models_registry.config.deployment_prices import deployment_pricing, max_call_nano
from models_registry.config.entries import Deployment
from models_registry.config.hosts import is_provider
from models_registry.config.ids import stable_id
from models_registry.config.known_keys import ADDRESSES
from models_registry.config.provider import Provider, Signs
from models_registry.config.providers import PROVIDERS, UnknownProvider, limit_field, split
from models_registry.config.reader import Config
from models_registry.config.request_fields import dropped_fields, drops_params, headers_of, request_params
from models_registry.config.residency import residency_of
from models_registry.config.responses_alone import named_so
from models_registry.config.sections import LitellmParams, ModelInfo
from models_registry.config.surfaces import surfaces_of
from models_registry.config.target_facts import window_of, with_facts
from models_registry.config.tls import tls_of_params
from models_registry.config.vertex import speaks
from models_registry.config.wildcards import ANY_MODEL
from models_registry.facts.allowances import least_output, template_tokens, thinking_of
from models_registry.facts.families import is_agent, is_plain
from models_registry.numbers import BadDeployment
from models_registry.target import Target

ANY_PROVIDER = "*"
"""A `litellm_params.model` that leaves the provider to the caller, who asks for `openai/gpt-4`."""
ANY_NAME = "*"
"""A model's name behind its provider's that is left to the caller."""
SAMPLES = ("claude-*", "maker/*")
"""Names of models that may speak another dialect than others of their provider."""
NO_KEY = "none"
"""The `api_key` of a server that asks for no key."""


def compile_targets(config: Config, deployment: Deployment, at: datetime) -> tuple[Target, ...]:
    """The targets of an entry: one, or one for each provider with an address and the key it needs where the
    caller is to name the provider. A provider whose models speak several dialects has one for each where the
    caller is to name the model. Raises BadDeployment."""
    params = deployment.entry.litellm_params
    if params.model != ANY_PROVIDER or params.custom_llm_provider is not None:
        target = compile_target(config, deployment, at)
        return (target, *_of_other_dialects(config, deployment, target, at))
    _check_for_all(params, deployment)
    rows = [row for row in PROVIDERS.values() if is_usable(row, params, config.environment)]
    if not rows:
        raise BadDeployment(f"{deployment.path}.litellm_params.model", "no provider has an address and a key")
    named = (_for_provider(deployment, row) for row in rows)
    return tuple(msgspec.structs.replace(compile_target(config, each, at), model=ANY_MODEL) for each in named)


def _of_other_dialects(
    config: Config, deployment: Deployment, target: Target, at: datetime
) -> Iterator[Target]:
    """The targets of `vertex_ai/*` for the models that speak another dialect than the provider's row says.
    Where such models need more than the entry says, there is none for them."""
    params = deployment.entry.litellm_params
    provider, model = split(params.model, params.custom_llm_provider)
    named = [
        each for each in SAMPLES if model == ANY_NAME and speaks(provider, each)[0] is not provider.dialect
    ]
    for each in named:
        of_one = msgspec.structs.replace(params, model=f"{provider.prefix}/{each}", custom_llm_provider=None)
        entry = msgspec.structs.replace(deployment.entry, litellm_params=of_one)
        with suppress(BadDeployment):
            made = compile_target(config, msgspec.structs.replace(deployment, entry=entry), at)
            yield msgspec.structs.replace(made, model=ANY_NAME, model_id=target.model_id)


def _places(config: Config) -> Mapping[str, str]:
    """The environment, with the project and the location that the settings name for all of Vertex AI."""
    settings = config.litellm_settings
    named = {"VERTEXAI_PROJECT": settings.vertex_project, "VERTEXAI_LOCATION": settings.vertex_location}
    given = {name: value for name, value in named.items() if value}
    return {**config.environment, **given} if given else config.environment


def compile_target(config: Config, deployment: Deployment, at: datetime) -> Target:
    """The target of an entry whose provider is known, with the price in force at `at`. Raises
    BadDeployment."""
    entry, path = deployment.entry, f"{deployment.path}.litellm_params"
    params, info = entry.litellm_params, entry.model_info
    try:
        provider, model = split(params.model, params.custom_llm_provider)
    except UnknownProvider as exc:
        field = "custom_llm_provider" if exc.forced else "model"
        raise BadDeployment(f"{path}.{field}", str(exc)) from exc
    settings, router = config.litellm_settings, config.router_settings
    deadlines = deadlines_of(params, path, settings, router)
    weight = weight_of(params, path)
    sent, asks_for_usage = request_params(deployment, path)
    dropped = dropped_fields(params, settings, path)
    for name, value in provider.defaults:
        sent.setdefault(name, msgspec.Raw(value))
    leave_out(sent, dropped)
    check_given(provider, deployment)
    address, prefix, query = address_of(provider, deployment, _places(config))
    headers = headers_of(params, path)
    if provider.signs is Signs.ENTRA and params.azure_ad_token:
        headers["authorization"] = f"Bearer {params.azure_ad_token}"
    pricing = deployment_pricing(config, provider, deployment, deadlines=deadlines)
    own_host = is_provider(provider, address, config.environment)
    judged = deployment.entered and not own_host and any(getattr(params, name) for name in ADDRESSES)
    keys = {} if judged else config.environment  # who stored the address could read the house's key there
    signing = None
    if not has_key(provider, deployment, keys, address=address, headers=headers):
        if judged:
            check_identity(provider, deployment)
        is_safe = own_host or provider.signs is Signs.AWS  # a signature gives nothing away
        environment = config.environment if is_safe else {}
        signing = signing_of(provider, deployment, model, environment)
    model_id = info.id or stable_id(deployment)
    among = place_of(config, provider, deployment)
    dialect, body_version = speaks(provider, model)
    residency = residency_of(provider, params, info, address, own_host)
    if isinstance(residency, str):
        raise BadDeployment(f"{deployment.path}.litellm_params.residency", residency)
    target = Target(
        model_id=model_id,
        public_name=entry.public_name,
        provider=provider.prefix,
        dialect=dialect,
        body_version=body_version,
        model=params.model_id if provider.signs is Signs.AWS and params.model_id else model,
        api_base=address,
        path_prefix=prefix,
        query=query,
        api_key=api_key_of(provider, deployment, keys, address=address, headers=headers)
        if signing is None
        else None,
        signing=signing,
        more_surfaces=surfaces_of(provider, info, own_host=own_host),
        messages_base=provider.messages_base if own_host else "",
        headers=headers,
        params=sent,
        asks_for_usage=asks_for_usage and provider.takes_stream_options,
        key_header=provider.key_header,
        joins_content=provider.joins_content,
        drop_params=drops_params(params, settings),
        dropped=dropped,
        tls=tls_of_params(params, config),
        max_output_tokens=info.max_output_tokens or info.max_tokens,
        context_window=window_of(provider.prefix, info.base_model or model),
        max_call_nano=max_call_nano(info, f"{deployment.path}.model_info.max_call_cost"),
        free_params=frozenset((*(info.free_params or ()), *(config.general_settings.free_params or ()))),
        is_agent=is_agent(model) or is_agent(info.base_model or model),
        template_tokens=_template_tokens(provider, info, address, model),
        states_template=info.template_tokens is not None,
        least_output_tokens=least_output(address),
        thinking=thinking_of(address, info.base_model or model),
        limit_field=limit_field(provider, address, info.base_model or model, params.model),
        more_limits=provider.more_limits,
        cache_points=cache_points_of(deployment),
        own_fields=frozenset(provider.own_fields),
        supports_reasoning=_supports_reasoning(info),
        deadlines=deadlines,
        pricing=pricing,
        price=pricing.price(model, at),
        weight=weight,
        order=among.order,
        cooldown_s=among.cooldown_s,
        tags=among.tags,
        region=among.region,
        rpm=among.rpm,
        tpm=among.tpm,
        capacity=among.capacity,
        retries=params.max_retries if params.num_retries is None else params.num_retries,
        local=provider.local,
        residency=residency,
        guardrails=tuple(params.guardrails or ()),
        judged=judged,
        takes_metadata=provider.takes_metadata and own_host,
        strict_messages=provider.strict_messages and own_host,
        refused_in_messages=frozenset(provider.refused_in_messages if own_host else ()),
        bills_failures=provider.bills_failures if info.bills_failures is None else info.bills_failures,
        refuses=frozenset(provider.refuses if own_host else ()),
        info=named_so(params.model, deployment.info),
    )
    return with_facts(target, info.base_model or model)


def _check_for_all(params: LitellmParams, deployment: Deployment) -> None:
    """Refuse an entry for every provider that has a key and no address. The key is one vendor's, and the
    entry would send it to all of them. Raises BadDeployment."""
    if params.api_base or params.base_url:
        return
    named = {str(name).lower() for name in params.all_headers}
    has_key = bool(params.api_key) and params.api_key != NO_KEY
    ours = params.extra_headers if params.headers is None else params.headers
    inside = "headers" if ours is params.headers else "extra_headers"
    field = "api_key" if has_key else inside if CREDENTIAL_HEADERS & named else None
    if field is not None:
        raise BadDeployment(
            f"{deployment.path}.litellm_params.{field}",
            'it would go to every provider, since the model is "*". Name the provider (model: "openai/*"), '
            "or add the api_base that it is for",
        )


def _for_provider(deployment: Deployment, provider: Provider) -> Deployment:
    params = msgspec.structs.replace(deployment.entry.litellm_params, model=f"{provider.prefix}/*")
    entry = msgspec.structs.replace(deployment.entry, litellm_params=params)
    return msgspec.structs.replace(deployment, entry=entry)


def _supports_reasoning(info: ModelInfo) -> bool | None:
    """Whether the model reasons, as the config says by `supports_reasoning`, else by its `base_model`. None:
    it says neither."""
    if info.supports_reasoning is None and info.base_model is not None:
        return not is_plain(info.base_model)
    return info.supports_reasoning


def _template_tokens(provider: Provider, info: ModelInfo, api_base: str, model: str) -> int:
    if info.template_tokens is not None:
        return info.template_tokens
    return template_tokens(provider.template_tokens, api_base, model)
