"""From a config entry to a target: provider, address, credential, limits and price."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from models_registry.config import Config, Deployment, LitellmParams, ModelInfo, Number
from models_registry.price import Price, rate
from models_registry.price_book import find_price
from models_registry.providers import PROVIDERS, Provider, split
from models_registry.target import Deadlines, Target
from schema.secret import Secret

DEFAULT_TOTAL_S = 6000.0  # LiteLLM's request_timeout


class BadDeployment(ValueError):
    """A deployment that can't be called; `path` is where in the config."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")


def compile_target(config: Config, deployment: Deployment, at: datetime) -> Target:
    """The target of one entry, its price as of `at`. Raises BadDeployment."""
    entry, path = deployment.entry, f"{deployment.path}.litellm_params"
    params, info = entry.litellm_params, entry.model_info
    try:
        provider, model = split(params.model, params.custom_llm_provider)
    except ValueError as exc:
        raise BadDeployment(f"{path}.model", str(exc)) from exc
    api_base = params.api_base or params.base_url or _first(config.environment, provider.api_base_env)
    api_base = api_base or provider.api_base
    if api_base is None:
        raise BadDeployment(f"{path}.api_base", f"provider {provider.prefix} needs an address")
    if not api_base.startswith(("http://", "https://")):
        raise BadDeployment(f"{path}.api_base", f"expected http:// or https://, found {api_base!r}")
    api_key = params.api_key or _first(config.environment, provider.api_key_env)
    settings, router = config.litellm_settings, config.router_settings
    return Target(
        model_id=info.id or _stable_id(entry.model_name, params),
        public_name=entry.model_name,
        provider=provider.prefix,
        dialect=provider.dialect,
        model=model,
        api_base=api_base.rstrip("/"),
        api_key=Secret(api_key) if api_key else None,
        headers=_headers(params),
        params=_request_params(deployment, path),
        drop_params=settings.drop_params or False if params.drop_params is None else params.drop_params,
        max_output_tokens=info.max_output_tokens or info.max_tokens,
        deadlines=_deadlines(params, path, (router.timeout, settings.request_timeout), router.stream_timeout),
        price=_price(provider, model, params, info, at=at, path=path),
        weight=_weight(params, path),
        local=provider.local,
    )


def priced(target: Target, model: str, at: datetime) -> Target:
    """A wildcard's target for one concrete model."""
    price = target.price
    if price is None or price.source != "config":
        price = _list_price(target.provider, model, at) if not target.local else price
    return msgspec.structs.replace(target, model=model, price=price)


def missing_key(target: Target, provider: Provider) -> str | None:
    """A warning for a cloud deployment without a credential, else None."""
    if target.api_key is not None or not provider.needs_key:
        return None
    return f"no api_key, and the environment has no {' or '.join(provider.api_key_env)}"


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _stable_id(name: str, params: LitellmParams) -> str:
    """The same over restarts and hosts, and free of the key: its SHA-256 would be a check on guesses."""
    public = msgspec.structs.replace(params, api_key=None)
    return hashlib.sha256(name.encode() + msgspec.json.encode(public)).hexdigest()


def _headers(params: LitellmParams) -> dict[str, str]:
    headers = {name.lower(): value for name, value in (params.extra_headers or {}).items()}
    if params.organization:
        headers["openai-organization"] = params.organization
    return headers


def _request_params(deployment: Deployment, path: str) -> dict[str, msgspec.Raw]:
    """`extra_body` is unpacked: its fields are the body's own."""
    params = dict(deployment.params)
    extra = params.pop("extra_body", None)
    if extra is not None:
        try:
            params.update(msgspec.json.decode(extra, type=dict[str, msgspec.Raw]))
        except msgspec.ValidationError as exc:
            raise BadDeployment(f"{path}.extra_body", "expected a mapping") from exc
    return params


def _number(value: Number, path: str) -> Decimal:
    """YAML's number, text such as 3e-05 included, as it was written."""
    try:
        number = Decimal(str(value))
    except InvalidOperation as exc:
        raise BadDeployment(path, f"expected a number, found {value!r}") from exc
    if not number.is_finite() or number < 0:
        raise BadDeployment(path, f"expected a number of zero or more, found {value!r}")
    return number


def _deadlines(
    params: LitellmParams, path: str, totals: tuple[Number | None, ...], stream: Number | None
) -> Deadlines:
    """LiteLLM's `timeout` bounds the whole call; `stream_timeout` the wait for the next piece."""
    total = next((value for value in (params.timeout, *totals) if value is not None), DEFAULT_TOTAL_S)
    total_s = float(_number(total, f"{path}.timeout"))
    stream = params.stream_timeout if params.stream_timeout is not None else stream
    default = Deadlines()
    idle_s = default.idle_s if stream is None else float(_number(stream, f"{path}.stream_timeout"))
    return Deadlines(
        connect_s=min(default.connect_s, total_s),
        first_byte_s=min(default.first_byte_s, total_s),
        idle_s=min(idle_s, total_s),
        total_s=total_s,
    )


def _weight(params: LitellmParams, path: str) -> float:
    """LiteLLM's simple shuffle: by `weight`, else by `rpm`, else by `tpm`."""
    for name, value in (("weight", params.weight), ("rpm", params.rpm), ("tpm", params.tpm)):
        if value is not None:
            return float(_number(value, f"{path}.{name}"))
    return 1.0


def _price(
    provider: Provider, model: str, params: LitellmParams, info: ModelInfo, *, at: datetime, path: str
) -> Price | None:
    """The config's price, field by field, `litellm_params` before `model_info`; else the list's."""

    def configured(name: str) -> Decimal | None:
        value = getattr(params, name)
        value = getattr(info, name) if value is None else value
        return None if value is None else _number(value, f"{path}.{name}")

    input_usd, output_usd = configured("input_cost_per_token"), configured("output_cost_per_token")
    request_usd = configured("input_cost_per_request")
    if input_usd is None and output_usd is None and request_usd is None:
        if provider.local:
            return Price(source="local")
        return _list_price(provider.prefix, info.base_model or model, at)
    cached, written = (
        configured("cache_read_input_token_cost"),
        configured("cache_creation_input_token_cost"),
    )
    reasoning = configured("output_cost_per_reasoning_token")
    return Price(
        input=rate(input_usd or Decimal(0)),
        output=rate(output_usd or Decimal(0)),
        cached=None if cached is None else rate(cached),
        cache_write=None if written is None else rate(written),
        reasoning=None if reasoning is None else rate(reasoning),
        request_nano=-(-rate(request_usd or Decimal(0)) // 10**6),
    )


def _list_price(prefix: str, model: str, at: datetime) -> Price | None:
    price_id = PROVIDERS[prefix].price_id
    return None if price_id is None else find_price(price_id, model, at)
