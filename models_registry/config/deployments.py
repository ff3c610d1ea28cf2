"""Turns a config entry into a target: provider, address, credential, limits and price."""

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from models_registry.backends.credentials import without_credentials
from models_registry.backends.dropping import NEEDED, field_path, leave_out
from models_registry.bounds.field_costs import OUTPUT_LIMITS
from models_registry.config.access import CREDENTIAL_HEADERS, address_of, api_key_of, has_key, is_usable
from models_registry.config.cache_points import cache_points_of
from models_registry.config.capacity import place_of
from models_registry.config.credentials import check_given, signing_of
from models_registry.config.entries import Deployment
from models_registry.config.hosts import is_provider
from models_registry.config.known_keys import ADDRESSES
from models_registry.config.provider import Provider, Signs
from models_registry.config.providers import PROVIDERS, UnknownProvider, limit_field, split
from models_registry.config.reader import Config
from models_registry.config.residency import residency_of
from models_registry.config.responses_alone import dialect_of, named_so
from models_registry.config.sections import LitellmParams, LitellmSettings, ModelInfo, RouterSettings
from models_registry.config.surfaces import surfaces_of
from models_registry.config.tls import tls_of_params
from models_registry.config.vertex import speaks
from models_registry.facts.allowances import least_output, template_tokens, thinking_of
from models_registry.facts.families import is_agent, is_plain
from models_registry.facts.refusals import SAMPLING, refused_fields
from models_registry.facts.table import facts_of, overridden
from models_registry.numbers import BadDeployment, Number, number
from models_registry.prices.book import find_window
from models_registry.prices.pricing import Pricing, adjustment_of, pricing_of
from models_registry.target import Deadlines, FieldPath, Target
from schema.chat import TokenLimit
from schema.money import NANO_PER_USD

DEFAULT_TOTAL_S = 6000.0  # LiteLLM's request_timeout


MAX_CALL_USD = Decimal(10**6)
"""The most dollars that `max_call_cost` may say: far above any price, and small enough for the ledger."""


MIN_TIMEOUT_S = Decimal("0.001")


MAX_TIMEOUT_S = Decimal(7 * 86_400)


MAX_WEIGHT = Decimal(10**9)


ANY_PROVIDER = "*"
"""A `litellm_params.model` that leaves the provider to the caller, who asks for `openai/gpt-4`."""


NO_KEY = "none"
"""The `api_key` of a server that asks for no key."""


ANY_MODEL = "*/*"
"""The `Target.model` of a deployment whose caller names the provider. `expand` puts the named model in its
place."""


NEWER_LIMIT = "max_completion_tokens"


REFUSABLE = frozenset({*SAMPLING, "reasoning_effort", "parallel_tool_calls", "stop"})
"""Fields that a model may refuse and another one of the same provider takes."""


PATHS = (
    *("/chat/completions", "/completions", "/embeddings", "/responses", "/messages", "/api/generate"),
    *("/audio/transcriptions", "/audio/speech", "/images/generations", "/rerank", "/models"),
)
"""Paths of endpoints, which people copy along with an address."""


_IDENTIFYING = (
    "model",
    "custom_llm_provider",
    "api_key",
    "api_base",
    "base_url",
    "organization",
    "extra_headers",
    "timeout",
    "stream_timeout",
    "weight",
    "rpm",
    "tpm",
    "num_retries",
    "drop_params",
)
"""The parameters that a deployment without an `id` is known by. A change of this list gives every deployment
another id."""


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def compile_targets(config: Config, deployment: Deployment, at: datetime) -> tuple[Target, ...]:
    """The targets of an entry: one, or one for each provider with an address and the key it needs where the
    caller is to name the provider. Raises BadDeployment."""
    params = deployment.entry.litellm_params
    if params.model != ANY_PROVIDER or params.custom_llm_provider is not None:
        return (compile_target(config, deployment, at),)
    _check_for_all(params, deployment)
    rows = [row for row in PROVIDERS.values() if is_usable(row, params, config.environment)]
    if not rows:
        raise BadDeployment(f"{deployment.path}.litellm_params.model", "no provider has an address and a key")
    named = (_for_provider(deployment, row) for row in rows)
    return tuple(msgspec.structs.replace(compile_target(config, each, at), model=ANY_MODEL) for each in named)


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
    deadlines = _deadlines(params, path, settings, router)
    weight = _weight(params, path)
    request_params, asks_for_usage = _request_params(deployment, path)
    dropped = dropped_fields(params, settings, path)
    for name, value in provider.defaults:
        request_params.setdefault(name, msgspec.Raw(value))
    leave_out(request_params, dropped)
    check_given(provider, deployment)
    address, prefix, query = address_of(provider, deployment, config.environment)
    headers = _headers(params, path)
    if provider.signs is Signs.ENTRA and params.azure_ad_token:
        headers["authorization"] = f"Bearer {params.azure_ad_token}"
    pricing = _pricing(config, provider, deployment, deadlines=deadlines)
    own_host = is_provider(provider, address, config.environment)
    signing = None
    if not has_key(provider, deployment, config.environment, address=address, headers=headers):
        is_safe = own_host or provider.signs is Signs.AWS  # a signature gives nothing away
        environment = config.environment if is_safe else {}
        signing = signing_of(provider, deployment, model, environment)
    model_id = info.id or _stable_id(deployment)
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
        model=model,
        api_base=address,
        path_prefix=prefix,
        query=query,
        api_key=api_key_of(provider, deployment, config.environment, address=address, headers=headers)
        if signing is None
        else None,
        signing=signing,
        more_surfaces=surfaces_of(provider, info, own_host=own_host),
        messages_base=provider.messages_base if own_host else "",
        headers=headers,
        params=request_params,
        asks_for_usage=asks_for_usage and provider.takes_stream_options,
        key_header=provider.key_header,
        joins_content=provider.joins_content,
        drop_params=_drops(params, settings),
        dropped=dropped,
        tls=tls_of_params(params, config),
        max_output_tokens=info.max_output_tokens or info.max_tokens,
        context_window=_window(provider.prefix, info.base_model or model),
        max_call_nano=_max_call_nano(info, f"{deployment.path}.model_info.max_call_cost"),
        free_params=frozenset((*(info.free_params or ()), *(config.general_settings.free_params or ()))),
        is_agent=is_agent(model) or is_agent(info.base_model or model),
        template_tokens=_template_tokens(provider, info, address, model),
        states_template=info.template_tokens is not None,
        least_output_tokens=least_output(address),
        thinking=thinking_of(address, info.base_model or model),
        limit_field=limit_field(provider, address, info.base_model or model),
        more_limits=provider.more_limits,
        cache_points=cache_points_of(deployment),
        own_fields=frozenset(provider.own_fields),
        supports_reasoning=_supports_reasoning(info),
        deadlines=deadlines,
        pricing=pricing,
        price=pricing.price(model, at),
        weight=weight,
        order=among.order,
        tags=among.tags,
        region=among.region,
        rpm=among.rpm,
        tpm=among.tpm,
        capacity=among.capacity,
        retries=params.max_retries if params.num_retries is None else params.num_retries,
        local=provider.local,
        residency=residency,
        guardrails=tuple(params.guardrails or ()),
        judged=deployment.stored and any(getattr(params, name) for name in ADDRESSES),
        takes_metadata=provider.takes_metadata and own_host,
        strict_messages=provider.strict_messages and own_host,
        refused_in_messages=frozenset(provider.refused_in_messages if own_host else ()),
        bills_failures=provider.bills_failures if info.bills_failures is None else info.bills_failures,
        refuses=frozenset(provider.refuses if own_host else ()),
        info=named_so(params.model, deployment.info),
    )
    return _with_facts(target, info.base_model or model)


def expand(target: Target, matched: str, at: datetime) -> Target | None:
    """The target of a wildcard for the text that its star matched. None: the text names another provider, or
    none, or a model that speaks another dialect."""
    provider, model = PROVIDERS[target.provider], target.model.replace("*", matched, 1)
    if target.model == ANY_MODEL:
        try:
            provider, model = split(matched, None)
        except ValueError:
            return None
    spoken = speaks(provider, model)[0]
    same = provider.prefix == target.provider and target.dialect in (spoken, spoken.facts.without_chat)
    return priced(target, model, at) if same else None


def priced(target: Target, model: str, at: datetime) -> Target:
    """The target of a wildcard for one concrete model, with that model's price and facts."""
    found = msgspec.structs.replace(
        target,
        model=model,
        price=target.pricing.price(model, at),
        context_window=_window(target.provider, model),
        is_agent=is_agent(model),
        template_tokens=target.template_tokens
        if target.states_template
        else template_tokens(target.template_tokens, target.api_base, model),
        thinking=thinking_of(target.api_base, model),
        limit_field=limit_field(PROVIDERS[target.provider], target.api_base, model),
    )
    return _with_facts(found, model)


def _with_facts(target: Target, model: str) -> Target:
    """The target with what its model takes. `model` is the one whose facts hold: the `base_model` where the
    config has one, which may name its provider (`openai/gpt-4`)."""
    facts = overridden(facts_of(target.provider, model), target.provider, model, target.info)
    refuses = (target.refuses - REFUSABLE) | refused_fields(facts)
    provider = PROVIDERS[target.provider]
    newer = target.limit_field == NEWER_LIMIT and (facts is None or bool(facts.reasoning))
    renames = provider.limit_name or (NEWER_LIMIT if newer and not provider.limit_name else "")
    watched = refuses | {"reasoning_effort"} if facts is not None and facts.efforts else refuses
    most = target.max_output_tokens
    if most is None and facts is not None and target.dialect.facts.needs_limit:
        most = facts.max_output_tokens
    return msgspec.structs.replace(
        target,
        dialect=dialect_of(target, facts),
        facts=facts,
        refuses=refuses,
        renames_limit=renames,
        watched=watched,
        max_output_tokens=most,
    )


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


def _stable_id(deployment: Deployment) -> str:
    """The id of a deployment for which the config has none. It is the same after a restart and on every host.
    The key is not in it: a SHA-256 with the key would be a check on guesses of it."""
    entry, params = deployment.entry, deployment.entry.litellm_params
    public = {name: None if name == "api_key" else getattr(params, name) for name in _IDENTIFYING}
    prices = {name: str(field.value) for name, field in sorted(deployment.prices.items())}
    facts = msgspec.json.encode((public, prices) if prices else public, enc_hook=str)
    return hashlib.sha256(entry.model_name.encode() + facts).hexdigest()


def _headers(params: LitellmParams, path: str) -> dict[str, str]:
    """The fixed headers of a deployment, with lower-case names. A null is no header. No message shows a
    value, nor a name that may be a value. Raises BadDeployment."""
    headers: dict[str, str] = {}
    for section, given in (("headers", params.headers), ("extra_headers", params.extra_headers)):
        for name, value in (given or {}).items():
            if not _HEADER_NAME.fullmatch(name):
                raise BadDeployment(f"{path}.{section}", "holds what is no name of a header")
            where = f"{path}.{section}.{without_credentials(name.lower()[:100])}"
            if value is None:
                continue
            if isinstance(value, list | dict):
                raise BadDeployment(where, "expected a text")
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if _CONTROL.search(text):
                raise BadDeployment(where, "holds a line break or control character")
            headers[name.lower()] = text
    if params.organization:
        if _CONTROL.search(params.organization):
            raise BadDeployment(f"{path}.organization", "holds a line break or control character")
        headers["openai-organization"] = params.organization
    return headers


def _drops(params: LitellmParams, settings: LitellmSettings) -> bool:
    """Whether what the provider can't honour is dropped. A list says nothing about that."""
    said = (params.drop_params, settings.drop_params)
    return next((each for each in said if isinstance(each, bool)), False)


def dropped_fields(params: LitellmParams, settings: LitellmSettings, path: str) -> tuple[FieldPath, ...]:
    """The fields that are never sent."""
    own = isinstance(params.drop_params, list)
    listed = params.drop_params if own else settings.drop_params
    found = []
    for where, names in (
        (f"{path}.drop_params" if own else "litellm_settings.drop_params", listed),
        (f"{path}.additional_drop_params", params.additional_drop_params),
    ):
        for name in names if isinstance(names, list) else ():
            steps = field_path(name)
            if steps is None:
                raise BadDeployment(
                    where, "expected names of fields, such as temperature or tools[*].function.strict"
                )
            if steps[0] not in NEEDED or len(steps) > 1:
                found.append(steps)
    return tuple(dict.fromkeys(found))


def _request_params(deployment: Deployment, path: str) -> tuple[dict[str, msgspec.Raw], bool]:
    """The fields that are sent where the caller did not send them, and whether streams are asked for their
    usage. They are not asked with `stream_options: {include_usage: false}`, which is for servers that refuse
    the question. `extra_body` is unpacked: its fields become fields of the body. Raises BadDeployment."""
    params = dict(deployment.params)
    extra = params.pop("extra_body", None)
    _check_limits(params, path)
    if extra is not None:
        try:
            inside = msgspec.json.decode(extra, type=dict[str, msgspec.Raw])
        except msgspec.ValidationError as exc:
            raise BadDeployment(f"{path}.extra_body", "expected a mapping") from exc
        _check_limits(inside, f"{path}.extra_body")
        params.update((name, raw) for name, raw in inside.items() if bytes(raw) != b"null")
    if bytes(params.get("stream_options", b"")) != b'{"include_usage":false}':
        return params, True
    del params["stream_options"]
    return params, False


def _check_limits(fields: Mapping[str, msgspec.Raw], path: str) -> None:
    """Check limits on the output as those of a caller are checked when a request is decoded. Raises
    BadDeployment."""
    for name in OUTPUT_LIMITS & fields.keys():
        try:
            msgspec.json.decode(fields[name], type=TokenLimit | None, strict=False)
        except msgspec.ValidationError as exc:
            raise BadDeployment(f"{path}.{name}", "expected a whole number of 1 or more") from exc


def _first_seconds(*places: tuple[Number | None, str], default: float) -> float:
    for value, path in places:
        if value is not None:
            return float(number(value, path, least=MIN_TIMEOUT_S, most=MAX_TIMEOUT_S))
    return default


def _deadlines(
    params: LitellmParams, path: str, settings: LitellmSettings, router: RouterSettings
) -> Deadlines:
    """LiteLLM's `timeout` bounds the whole call; `stream_timeout` the wait for the next piece. Ours,
    `connect_timeout` and `first_token_timeout`, bound the steps before. A section's value that is wrong is an
    error of that section."""
    default = Deadlines()
    total_s = _first_seconds(
        (params.timeout, f"{path}.timeout"),
        (router.timeout, "router_settings.timeout"),
        (settings.request_timeout, "litellm_settings.request_timeout"),
        default=DEFAULT_TOTAL_S,
    )
    idle_s = _first_seconds(
        (params.stream_timeout, f"{path}.stream_timeout"),
        (router.stream_timeout, "router_settings.stream_timeout"),
        default=default.idle_s,
    )
    connect_s = _first_seconds((params.connect_timeout, f"{path}.connect_timeout"), default=default.connect_s)
    first_byte_s = _first_seconds(
        (params.first_token_timeout, f"{path}.first_token_timeout"), default=default.first_byte_s
    )
    return Deadlines(
        connect_s=min(connect_s, total_s),
        first_byte_s=min(first_byte_s, total_s),
        idle_s=min(idle_s, total_s),
        total_s=total_s,
    )


def _weight(params: LitellmParams, path: str) -> float:
    """The weight for LiteLLM's simple shuffle: `weight`, else `rpm`, else `tpm`, else 1."""
    for name, value in (("weight", params.weight), ("rpm", params.rpm), ("tpm", params.tpm)):
        if value is not None:
            return float(number(value, f"{path}.{name}", most=MAX_WEIGHT))
    return 1.0


def _pricing(config: Config, provider: Provider, deployment: Deployment, *, deadlines: Deadlines) -> Pricing:
    info, settings = deployment.entry.model_info, config.litellm_settings
    price_id, prefix, base_model = provider.price_id, provider.prefix, info.base_model
    if base_model is not None:
        if "/" in base_model:
            prefix = base_model.partition("/")[0]
        price_id, base_model = _listed_as(provider, base_model)
    return pricing_of(
        deployment.prices,
        Pricing(
            price_id=price_id,
            prefix=prefix,
            base_model=base_model,
            local=provider.local,
            max_ms=math.ceil(deadlines.total_s * 1000),
            adjustment=adjustment_of(
                settings.cost_discount_config or {},
                settings.cost_margin_config or {},
                provider.prefix,
                local=provider.local,
            ),
        ),
    )


def _listed_as(provider: Provider, base_model: str) -> tuple[str | None, str]:
    """The provider and the model under which the price data has a `base_model`. It may name its provider:
    `openai/gpt-4`."""
    prefix, slash, rest = base_model.partition("/")
    if not slash:
        return provider.price_id, base_model
    return (PROVIDERS[prefix].price_id if prefix in PROVIDERS else prefix), rest


def _window(prefix: str, model: str) -> int | None:
    price_id = PROVIDERS[prefix].price_id
    return None if price_id is None else find_window(price_id, model)


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


def _max_call_nano(info: ModelInfo, path: str) -> int | None:
    if info.max_call_cost is None:
        return None
    return int(number(info.max_call_cost, path, most=MAX_CALL_USD) * NANO_PER_USD)
