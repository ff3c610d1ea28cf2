"""Checks LiteLLM's `config.yaml`: what it means, what is wrong with it, what has no effect.

The reader is pure: it takes the parsed mapping, includes merged, and the environment, and gives a `Config`.
All problems are collected, not only the first one. Each names its path in the file:
`model_list[2].litellm_params.api_base`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from models_registry.config import known_keys
from models_registry.numbers import BadDeployment, Number
from models_registry.prices.fields import PriceField, is_price_field, warning_of
from schema.secret import Secret

ENV_PREFIX = "os.environ/"
PROTECTED = frozenset(
    {"PATH", "HOME", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "LD_PRELOAD", "LD_LIBRARY_PATH", "SHELL"}
)
"""Names that `environment_variables` must not set: they decide what code runs."""

S = TypeVar("S", bound=msgspec.Struct)
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
"""A number of tokens or requests."""


class LitellmParams(msgspec.Struct, frozen=True, kw_only=True):
    """The part of `litellm_params` that this version acts on. The rest is `Deployment.params`."""

    model: str
    custom_llm_provider: str | None = None
    api_key: str | None = None
    api_base: str | None = None
    base_url: str | None = None
    organization: str | None = None
    extra_headers: dict[str, str] | None = None
    timeout: Number | None = None
    stream_timeout: Number | None = None
    weight: Number | None = None
    rpm: Count | None = None
    tpm: Count | None = None
    num_retries: Count | None = None
    drop_params: bool | None = None


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    id: str | None = None
    mode: str | None = None
    base_model: str | None = None
    """The model whose list price this one has."""
    access_groups: list[str] | None = None
    max_call_cost: Number | None = None
    """Switchgear's own: the most dollars that one call can cost, where its request does not bound the
    cost."""
    free_params: list[str] | None = None
    """Switchgear's own: fields of a request that cost nothing at this deployment, though no rule here says
    so."""
    template_tokens: Count | None = None
    """Switchgear's own: the most tokens that the host and the chat template add to a call's input."""
    max_tokens: Count | None = None
    max_output_tokens: Count | None = None
    supports_reasoning: bool | None = None
    bills_failures: bool | None = None
    """Switchgear's own: whether the provider charges for calls that it answers with an error."""


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    model_name: str
    litellm_params: LitellmParams
    model_info: ModelInfo = ModelInfo()


class PersonalKeys(msgspec.Struct, frozen=True, kw_only=True):
    allowed_user_roles: list[str] | None = None


class TeamKeys(msgspec.Struct, frozen=True, kw_only=True):
    allowed_team_member_roles: list[str] | None = None


class KeyGenerationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may make keys of which kind."""

    personal_key_generation: PersonalKeys | None = None
    team_key_generation: TeamKeys | None = None


FallbackLists = list[dict[str, list[str]]]


class LitellmSettings(msgspec.Struct, frozen=True, kw_only=True):
    drop_params: bool | None = None
    ssl_verify: bool | str | None = None
    """Whether providers must prove who they are, or the PEM file with the certificates to trust."""
    ssl_certificate: str | None = None
    """The PEM file with which this gateway proves who it is: a certificate and its key."""
    num_retries: int | None = None
    fallbacks: FallbackLists | None = None
    context_window_fallbacks: FallbackLists | None = None
    content_policy_fallbacks: FallbackLists | None = None
    default_fallbacks: list[str] | None = None
    request_timeout: Number | None = None
    timezone: str | None = None
    turn_off_message_logging: bool | None = None
    max_budget: Number | None = None
    budget_duration: str | None = None
    budget_exceeded_status_code: int | None = None
    default_key_generate_params: dict[str, Any] | None = None  # fields of a request for a key
    upperbound_key_generate_params: dict[str, Any] | None = None
    key_generation_settings: KeyGenerationSettings | None = None
    key_alias_pattern: str | None = None
    default_internal_user_params: dict[str, Any] | None = None
    max_internal_user_budget: Number | None = None
    internal_user_budget_duration: str | None = None
    default_team_params: dict[str, Any] | None = None
    max_end_user_budget: Number | None = None
    max_end_user_budget_id: str | None = None
    cost_discount_config: dict[str, Number] | None = None
    cost_margin_config: dict[str, Number | dict[str, Number]] | None = None


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    timeout: Number | None = None
    stream_timeout: Number | None = None
    routing_strategy: str | None = None
    num_retries: int | None = None
    retry_after: Number | None = None
    retry_policy: dict[str, int | None] | None = None
    model_group_retry_policy: dict[str, dict[str, int | None]] | None = None
    fallbacks: FallbackLists | None = None
    context_window_fallbacks: FallbackLists | None = None
    content_policy_fallbacks: FallbackLists | None = None
    default_fallbacks: list[str] | None = None
    max_fallbacks: Count | None = None
    fallback_on_unsupported_params: bool | None = None


class GeneralSettings(msgspec.Struct, frozen=True, kw_only=True):
    master_key: str | None = None
    database_url: str | None = None
    database_connection_pool_limit: Count | None = None
    """How many connections a worker has, as with LiteLLM."""
    max_upstream_connections: Count | None = None
    """Ours: how many connections to providers a worker has at most, say 16384."""
    max_upstream_connections_per_host: Count | None = None
    """Ours: how many of them lead to one host at most, say 8192."""
    max_request_size_mb: Number | None = None
    max_request_bodies_mb: Number | None = None
    """Switchgear's own: the most megabytes that the bodies of all requests under way in a worker have
    together."""
    cors_origins: list[str] | None = None
    """Switchgear's own: the origins whose pages may call every route, such as `https://chat.example`."""
    max_parallel_requests: Count | None = None
    global_max_parallel_requests: Count | None = None
    apply_user_budget_to_team_keys: bool | None = None
    devops_key_duration: str | None = None
    orphan_lease_after: str | None = None
    devops_key_budget: Number | None = None
    default_output_tokens: Count | None = None
    alerting: list[str] | None = None
    min_output_tokens: Count | None = None
    free_params: list[str] | None = None
    maximum_spend_logs_retention_period: str | int | None = None
    maximum_spend_logs_retention_interval: str | int | None = None
    store_prompts_in_spend_logs: bool | None = None
    spend_logs_max_body_bytes: Count | None = None
    spend_logs_redact_fields: list[str] | None = None
    spend_logs_redact_patterns: list[str] | None = None


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `model_list` and where it stands in the file."""

    path: str
    entry: ModelEntry
    params: dict[str, msgspec.Raw]
    """Keys of `litellm_params` that are not LiteLLM's own. They are sent to the provider."""
    prices: Mapping[str, PriceField] = {}
    """Price fields by name. A field of `litellm_params` counts before one of `model_info`."""
    empty: Mapping[str, str] = {}
    """Addresses and keys that the config has, but without a value. Each name (`api_base`) has the variable
    that was to give the value, such as `GPU_HOST`, or an empty text where no variable is named."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `model_list` that can't be called, and why. The reason has the entry's path, and no
    secret."""

    model_name: str
    """Empty where the entry has no name."""
    reason: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole config. It can be used when `errors` is empty."""

    deployments: tuple[Deployment, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    litellm_settings: LitellmSettings = LitellmSettings()
    router_settings: RouterSettings = RouterSettings()
    general_settings: GeneralSettings = GeneralSettings()
    environment: Mapping[str, str] = {}
    """The process environment with the file's `environment_variables` over it."""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def master_key(self) -> Secret | None:
        key = self.general_settings.master_key
        return Secret(key) if key else None


def read_config(document: Mapping[str, Any], env: Mapping[str, str]) -> Config:
    """Check a parsed config file. Nothing that a file can hold makes this raise."""
    reader = _ConfigReader(env)
    reader.export(document.get("environment_variables"))
    for key in document:
        if key in known_keys.TOP_LEVEL_LATER:
            reader.warnings.append(f"{key}: has no effect in this version")
        elif key not in known_keys.TOP_LEVEL:
            reader.warnings.append(f"{key}: unknown key")
    return Config(
        deployments=tuple(reader.deployments(document.get("model_list"))),
        skipped=tuple(reader.skipped),
        litellm_settings=reader.section(document, "litellm_settings", LitellmSettings),
        router_settings=reader.section(document, "router_settings", RouterSettings),
        general_settings=reader.section(document, "general_settings", GeneralSettings),
        environment=reader.env,
        errors=tuple(reader.errors),
        warnings=tuple(reader.warnings),
    )


class _ConfigReader:
    """Walks the document and collects what it finds."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)
        self.errors: list[str] = []
        self.skipped: list[Skipped] = []
        self.warnings: list[str] = []

    def export(self, variables: Any) -> None:
        if variables is None:
            return
        if not isinstance(variables, Mapping):
            self.errors.append(f"environment_variables: expected a mapping, found {_kind(variables)}")
            return
        for name, value in variables.items():
            path = f"environment_variables.{name}"
            if name in PROTECTED:
                self.errors.append(f"{path}: this variable decides what code runs and can't be set here")
            elif isinstance(value, (str, int, float, bool)):
                found = self.resolved(value, path)
                if found is not None:
                    self.env[str(name)] = str(found)
            else:
                self.errors.append(f"{path}: expected text, found {_kind(value)}")

    def section(self, document: Mapping[str, Any], name: str, kind: type[S]) -> S:
        found = document.get(name)
        if found is None:
            return kind()
        values = self.resolved(found, name)
        if isinstance(values, Mapping):
            self._warn_unknown(values, name, kind)
        return self._convert(values, name, kind) or kind()

    def deployments(self, model_list: Any) -> Iterator[Deployment]:
        if model_list is None:
            return
        if not isinstance(model_list, list):
            self.errors.append(f"model_list: expected a list, found {_kind(model_list)}")
            return
        for index, item in enumerate(model_list):
            try:
                yield self._deployment(item, f"model_list[{index}]")
            except BadDeployment as exc:
                name = item.get("model_name") if isinstance(item, Mapping) else None
                self.skipped.append(
                    Skipped(model_name=name if isinstance(name, str) else "", reason=str(exc))
                )

    def _deployment(self, item: Any, path: str) -> Deployment:
        values = self.resolved(item, path)
        if isinstance(values, dict) and values.get("model_info", "absent") is None:
            del values["model_info"]
        entry = _converted(values, path, ModelEntry)
        self._warn_unknown(values, path, ModelEntry)
        self._warn_unknown(values.get("model_info") or {}, f"{path}.model_info", ModelInfo)
        return Deployment(
            path=path,
            entry=entry,
            params=self._params(values["litellm_params"], f"{path}.litellm_params"),
            prices=self._prices(values, path),
            empty=self._empty(item["litellm_params"], values["litellm_params"]),
        )

    def _empty(self, written: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for name in ("api_base", "base_url", "api_key"):
            if name not in values or (values[name] is not None and str(values[name]).strip()):
                continue
            text = str(written[name])
            found[name] = text.removeprefix(ENV_PREFIX) if text.startswith(ENV_PREFIX) else ""
        return found

    def resolved(self, value: Any, path: str) -> Any:
        """The value with each `os.environ/NAME` looked up. As at LiteLLM, texts in mappings are looked up,
        also in mappings inside lists, and texts that stand in a list are not. A variable that is missing
        becomes null."""
        if isinstance(value, Mapping):
            return {key: self.resolved(inner, f"{path}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [
                self.resolved(inner, f"{path}[{index}]") if isinstance(inner, (Mapping, list)) else inner
                for index, inner in enumerate(value)
            ]
        if not isinstance(value, str) or not value.startswith(ENV_PREFIX):
            return value
        name = value.removeprefix(ENV_PREFIX)
        text = self.env.get(name)
        if text is None:
            self.warnings.append(f"{path}: the environment has no {name}")
        return {"True": True, "true": True, "False": False, "false": False}.get(text or "", text)

    def _convert(self, values: Any, path: str, kind: type[S]) -> S | None:
        try:
            return _converted(values, path, kind)
        except BadDeployment as exc:
            self.errors.append(str(exc))
            return None

    def _warn_unknown(self, values: Mapping[str, Any], path: str, kind: type[msgspec.Struct]) -> None:
        known = {field.encode_name for field in msgspec.structs.fields(kind)}
        later = known_keys.LATER.get(kind.__name__, frozenset())
        for key in values:
            if key in known or (kind is ModelInfo and is_price_field(key)):
                continue
            effect = "has no effect in this version" if key in later else "unknown key"
            self.warnings.append(f"{path}.{key}: {effect}")

    def _prices(self, values: Mapping[str, Any], path: str) -> dict[str, PriceField]:
        found: dict[str, PriceField] = {}
        for section in ("model_info", "litellm_params"):
            for name, value in (values.get(section) or {}).items():
                if not is_price_field(name) or value is None:
                    continue
                warning = warning_of(name)
                if warning is None:
                    found[name] = PriceField(path=f"{path}.{section}.{name}", value=value)
                else:
                    self.warnings.append(f"{path}.{section}.{name}: {warning}")
        return found

    def _params(self, values: Mapping[str, Any], path: str) -> dict[str, msgspec.Raw]:
        known = {field.encode_name for field in msgspec.structs.fields(LitellmParams)}
        params: dict[str, msgspec.Raw] = {}
        for key, value in values.items():
            if key in known or is_price_field(key):
                continue
            if key in known_keys.PARAMS_LATER or key.startswith(known_keys.PARAMS_LATER_PREFIXES):
                self.warnings.append(f"{path}.{key}: has no effect in this version")
                continue
            try:
                params[key] = msgspec.Raw(msgspec.json.encode(value))
            except (TypeError, ValueError, OverflowError):
                raise BadDeployment(f"{path}.{key}", f"{_kind(value)} can't be sent as JSON") from None
            if key not in known_keys.REQUEST_PARAMS:
                self.warnings.append(f"{path}.{key}: unknown key, sent to the provider with every request")
        return params


def _converted(values: Any, path: str, kind: type[S]) -> S:
    """The values as a Struct. Text may stand for a number, since the environment gives `os.environ/RPM` as
    text. A number where text is declared is an error. Raises BadDeployment."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as exc:
        what, _, where = str(exc).partition(" - at `$")
        raise BadDeployment(f"{path}{where.rstrip('`')}", what) from None


def _kind(value: object) -> str:
    """The kind of a value, for a message: `a list`. The value is never shown, since it may be a secret in the
    wrong place."""
    kinds = {"dict": "a mapping", "list": "a list", "str": "text", "NoneType": "nothing"}
    return kinds.get(type(value).__name__, type(value).__name__)
