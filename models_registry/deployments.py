"""From a config entry to a target: provider, address, credential, limits and price."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

import msgspec

from models_registry.config import Config, Deployment, LitellmParams, ModelInfo, Number
from models_registry.price import NANO_PER_USD, Price, rate
from models_registry.price_book import find_price, find_window
from models_registry.providers import PROVIDERS, Provider, split
from models_registry.target import Deadlines, Target
from schema.secret import Secret

DEFAULT_TOTAL_S = 6000.0  # LiteLLM's request_timeout
MAX_PRICE_USD = Decimal(1000)
MAX_CALL_USD = Decimal(10**6)
"""Of a token or a call: far past any price, and what follows from it fits the ledger."""
MIN_TIMEOUT_S = Decimal("0.001")
MAX_TIMEOUT_S = Decimal(7 * 86_400)
MAX_WEIGHT = Decimal(10**9)
ANY_PROVIDER = "*"
"""A `litellm_params.model` that leaves the provider to the caller, who asks for `openai/gpt-4`."""
ANY_MODEL = "*/*"
"""`Target.model` of such a deployment; see `expand`."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PRICES = (
    "input_cost_per_token",
    "output_cost_per_token",
    "input_cost_per_request",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_reasoning_token",
)


class BadDeployment(ValueError):
    """A deployment that can't be called; `path` is where in the config."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")


def compile_targets(config: Config, deployment: Deployment, at: datetime) -> tuple[Target, ...]:
    """The entry's target; where the caller is to name the provider, one for each that has an address
    and the key it needs. Raises BadDeployment."""
    params = deployment.entry.litellm_params
    if params.model != ANY_PROVIDER or params.custom_llm_provider is not None:
        return (compile_target(config, deployment, at),)
    rows = [row for row in PROVIDERS.values() if _usable(row, params, config.environment)]
    if not rows:
        raise BadDeployment(f"{deployment.path}.litellm_params.model", "no provider has an address and a key")
    named = (_for_provider(deployment, row) for row in rows)
    return tuple(msgspec.structs.replace(compile_target(config, each, at), model=ANY_MODEL) for each in named)


def compile_target(config: Config, deployment: Deployment, at: datetime) -> Target:
    """The target of an entry whose provider is known, its price as of `at`. Raises BadDeployment."""
    entry, path = deployment.entry, f"{deployment.path}.litellm_params"
    params, info = entry.litellm_params, entry.model_info
    try:
        provider, model = split(params.model, params.custom_llm_provider)
    except ValueError as exc:
        raise BadDeployment(f"{path}.model", str(exc)) from exc
    settings, router = config.litellm_settings, config.router_settings
    price = _price(provider, model, params, info, at=at, path=path)
    deadlines = _deadlines(params, path, (router.timeout, settings.request_timeout), router.stream_timeout)
    weight = _weight(params, path)
    return Target(
        model_id=info.id or _stable_id(entry.model_name, params),
        public_name=entry.model_name,
        provider=provider.prefix,
        dialect=provider.dialect,
        model=model,
        api_base=_api_base(provider, params, config.environment, path=path),
        api_key=_api_key(provider, params, config.environment, path=path),
        headers=_headers(params, path),
        params=_request_params(deployment, path),
        drop_params=settings.drop_params or False if params.drop_params is None else params.drop_params,
        max_output_tokens=info.max_output_tokens or info.max_tokens,
        context_window=_window(provider.prefix, info.base_model or model),
        max_call_nano=_max_call_nano(info, f"{deployment.path}.model_info.max_call_cost"),
        deadlines=deadlines,
        price=price,
        weight=weight,
        local=provider.local,
    )


def expand(target: Target, matched: str, at: datetime) -> Target | None:
    """A wildcard's target for what its star matched; None where that names another provider."""
    if target.model != ANY_MODEL:
        return priced(target, target.model.replace("*", matched, 1), at)
    try:
        provider, model = split(matched, None)
    except ValueError:
        return None
    return priced(target, model, at) if provider.prefix == target.provider else None


def priced(target: Target, model: str, at: datetime) -> Target:
    """A wildcard's target for one concrete model."""
    price = target.price
    if price is None or price.source != "config":
        price = _list_price(target.provider, model, at) if not target.local else price
    window = _window(target.provider, model)
    return msgspec.structs.replace(target, model=model, price=price, context_window=window)


def missing_key(target: Target, provider: Provider) -> str | None:
    """A warning for a cloud deployment without a credential, else None."""
    if target.api_key is not None or not provider.needs_key:
        return None
    return f"no api_key, and the environment has no {' or '.join(provider.api_key_env)}"


def _usable(provider: Provider, params: LitellmParams, env: Mapping[str, str]) -> bool:
    has_key = not provider.needs_key or params.api_key or _first(env, provider.api_key_env)
    return bool(has_key and (params.api_base or params.base_url or _default_base(provider, env)))


def _for_provider(deployment: Deployment, provider: Provider) -> Deployment:
    params = msgspec.structs.replace(deployment.entry.litellm_params, model=f"{provider.prefix}/*")
    entry = msgspec.structs.replace(deployment.entry, litellm_params=params)
    return msgspec.structs.replace(deployment, entry=entry)


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _default_base(provider: Provider, env: Mapping[str, str]) -> str | None:
    return _first(env, provider.api_base_env) or provider.api_base


def _api_base(provider: Provider, params: LitellmParams, env: Mapping[str, str], *, path: str) -> str:
    """The address, checked. No message has it in it: people put passwords there."""
    given = "base_url" if params.base_url and not params.api_base else "api_base"
    path = f"{path}.{given}"
    address = params.api_base or params.base_url or _default_base(provider, env)
    if address is None:
        raise BadDeployment(path, f"provider {provider.prefix} needs an address")
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError as exc:
        raise BadDeployment(path, "expected http://host:port/path, found a bad host or port") from exc
    if parts.scheme not in ("http", "https") or not whole:
        raise BadDeployment(path, "expected http:// or https:// and a host")
    if "@" in parts.netloc:
        raise BadDeployment(path, "holds a user or password; send them with api_key or extra_headers")
    if "?" in address or "#" in address:
        raise BadDeployment(path, "holds a query or fragment, which an address of an API can't have")
    if not address.isprintable() or " " in address:
        raise BadDeployment(path, "holds a blank or control character")
    return address.rstrip("/")


def _api_key(
    provider: Provider, params: LitellmParams, env: Mapping[str, str], *, path: str
) -> Secret | None:
    key = params.api_key or _first(env, provider.api_key_env)
    if not key:
        return None
    if not (key.isascii() and key.isprintable()):
        raise BadDeployment(f"{path}.api_key", "holds a line break or another character no header can carry")
    return Secret(key)


def _stable_id(name: str, params: LitellmParams) -> str:
    """The same over restarts and hosts, and free of the key: its SHA-256 would be a check on guesses."""
    public = msgspec.structs.replace(params, api_key=None)
    return hashlib.sha256(name.encode() + msgspec.json.encode(public)).hexdigest()


def _headers(params: LitellmParams, path: str) -> dict[str, str]:
    """Lower-case names. No message has a value in it."""
    headers = {name.lower(): value for name, value in (params.extra_headers or {}).items()}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise BadDeployment(f"{path}.extra_headers", f"{name[:100]!r} is no name of a header")
        if _CONTROL.search(value):
            raise BadDeployment(f"{path}.extra_headers.{name}", "holds a line break or control character")
    if params.organization:
        if _CONTROL.search(params.organization):
            raise BadDeployment(f"{path}.organization", "holds a line break or control character")
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


def _number(value: Number, path: str, *, least: Decimal = Decimal(0), most: Decimal) -> Decimal:
    """YAML's number, text such as 3e-05 included, as it was written and within its limits."""
    try:
        number = Decimal(value) if isinstance(value, int) else Decimal(str(value))
        fits = least <= number <= most
    except (ArithmeticError, ValueError):  # no number, NaN, or an exponent past decimal's own
        fits = False
    if not fits:
        lower = f"{least}" if least else "zero or more"
        found = f", found {value!r}" if not isinstance(value, int) and len(str(value)) < 40 else ""
        raise BadDeployment(path, f"expected a number of {lower}, up to {most}{found}")
    return number


def _seconds(value: Number, path: str) -> float:
    return float(_number(value, path, least=MIN_TIMEOUT_S, most=MAX_TIMEOUT_S))


def _deadlines(
    params: LitellmParams, path: str, totals: tuple[Number | None, ...], stream: Number | None
) -> Deadlines:
    """LiteLLM's `timeout` bounds the whole call; `stream_timeout` the wait for the next piece."""
    total = next((value for value in (params.timeout, *totals) if value is not None), DEFAULT_TOTAL_S)
    total_s = _seconds(total, f"{path}.timeout")
    stream = params.stream_timeout if params.stream_timeout is not None else stream
    default = Deadlines()
    idle_s = default.idle_s if stream is None else _seconds(stream, f"{path}.stream_timeout")
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
            return float(_number(value, f"{path}.{name}", most=MAX_WEIGHT))
    return 1.0


def _price(
    provider: Provider, model: str, params: LitellmParams, info: ModelInfo, *, at: datetime, path: str
) -> Price | None:
    """The config's price, field by field, `litellm_params` before `model_info`; else the list's."""

    usd = {name: _configured_usd(name, params, info, path=path) for name in _PRICES}
    input_usd, output_usd, request_usd, cached, written, reasoning = (usd[name] for name in _PRICES)
    if input_usd is None and output_usd is None and request_usd is None:
        if provider.local:
            return Price(source="local")
        return _list_price(provider.prefix, info.base_model or model, at)
    return Price(
        input=rate(input_usd or Decimal(0)),
        output=rate(output_usd or Decimal(0)),
        cached=None if cached is None else rate(cached),
        cache_write=None if written is None else rate(written),
        reasoning=None if reasoning is None else rate(reasoning),
        request_nano=-(-rate(request_usd or Decimal(0)) // 10**6),
    )


def _configured_usd(name: str, params: LitellmParams, info: ModelInfo, *, path: str) -> Decimal | None:
    value = getattr(params, name)
    value = getattr(info, name) if value is None else value
    return None if value is None else _number(value, f"{path}.{name}", most=MAX_PRICE_USD)


def _window(prefix: str, model: str) -> int | None:
    price_id = PROVIDERS[prefix].price_id
    return None if price_id is None else find_window(price_id, model)


def _max_call_nano(info: ModelInfo, path: str) -> int | None:
    if info.max_call_cost is None:
        return None
    return int(_number(info.max_call_cost, path, most=MAX_CALL_USD) * NANO_PER_USD)


def _list_price(prefix: str, model: str, at: datetime) -> Price | None:
    price_id = PROVIDERS[prefix].price_id
    return None if price_id is None else find_price(price_id, model, at)
