"""Checks LiteLLM's `config.yaml`: what it means, what is wrong with it, what has no effect.

The reader is pure: it takes the parsed mapping, includes merged, and the environment, and gives a `Config`.
All problems are collected, not only the first one. Each names its path in the file:
`model_list[2].litellm_params.api_base`.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from models_registry.backends.parameters import CACHE_FIELD, GATEWAY_FIELDS
from models_registry.config import known_keys
from models_registry.config.hosts import is_near
from models_registry.config.names import names_in
from models_registry.config.providers import UnknownProvider, split
from models_registry.numbers import BadDeployment, Number
from models_registry.prices.fields import (
    PriceField,
    check_prices,
    is_price_field,
    per_million_doubt,
    warning_of,
)
from schema.secret import Secret

ENV_PREFIX = "os.environ/"
PROTECTED = frozenset(
    {"PATH", "HOME", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "LD_PRELOAD", "LD_LIBRARY_PATH", "SHELL"}
)
"""Names that `environment_variables` must not set: they decide what code runs."""

_VARIABLE = re.compile(
    r"""\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-=?][^}]*)?\}"""
    r"""|^\$([A-Z_][A-Z0-9_]+)$|^\$?\{\{\s*(?:env\.)?([A-Z_][A-Z0-9_]+)\s*\}\}$"""
    r"""|^os\.(?:environ(?:\.get)?|getenv)[.\[(:]\s*["']?([A-Za-z_][A-Za-z0-9_]*)"""
    r"""|^env[./:]([A-Z_][A-Z0-9_]+)$"""
)
"""Ways of other programs to write a variable."""
NO_KEYS = ("x-", "_", ".")
"""How the top-level keys begin that are a place for anchors alone."""
MONEY_AND_LIMITS = frozenset(
    {"max_call_cost", "max_budget", "budget_duration", "rpm", "tpm", "max_parallel_requests"}
)
"""Keys of an entry of `model_list` that, beside prices, keep the server from starting when they are wrong."""

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
    api_version: str | None = None
    """Azure's `api-version`."""
    organization: str | None = None
    extra_headers: dict[str, Any] | None = None  # texts, numbers and dates, as YAML has them
    timeout: Number | None = None
    stream_timeout: Number | None = None
    weight: Number | None = None
    rpm: Count | None = None
    tpm: Count | None = None
    num_retries: Count | None = None
    drop_params: bool | list[str] | None = None
    """Whether fields are dropped that the provider can't honour; a list names fields that are never sent."""
    additional_drop_params: list[str] | None = None
    headers: dict[str, Any] | None = None  # as `extra_headers`, which count first
    max_retries: Count | None = None
    """At LiteLLM the retries of its HTTP client; here `num_retries`, where that does not stand beside it."""
    ssl_verify: bool | str | None = None
    ssl_certificate: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    aws_session_token: str | None = None
    aws_region_name: str | None = None
    aws_role_name: str | None = None
    aws_session_name: str | None = None
    aws_bedrock_runtime_endpoint: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    azure_ad_token: str | None = None
    azure_scope: str | None = None
    vertex_project: str | None = None
    vertex_location: str | None = None
    vertex_credentials: str | dict[str, Any] | None = None  # the JSON of a service account

    @property
    def all_headers(self) -> dict[str, Any]:
        return {**(self.headers or {}), **(self.extra_headers or {})}


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    id: str | None = None
    mode: str | None = None
    """What the model is for, by LiteLLM's words: `chat`, `completion`, `responses`, `embedding` ..."""
    supported_endpoints: list[str] | None = None
    """The paths that the deployment's server has itself, such as `/v1/responses`."""
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
    drop_params: bool | list[str] | None = None
    ssl_verify: bool | str | None = None
    """Whether providers must prove who they are, or the PEM file with the certificates to trust."""
    ssl_certificate: str | None = None
    """A PEM file: with a key in it, how this gateway proves who it is; without, certificates that are
    believed beside the others."""
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
    disable_auto_add_proxy_admin_to_teams: bool | None = None
    max_end_user_budget: Number | None = None
    max_end_user_budget_id: str | None = None
    disable_add_user_agent_to_request_tags: bool | None = None
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


class UserHeader(msgspec.Struct, frozen=True, kw_only=True):
    """One of `user_header_mappings`: a header, and whom it names."""

    header_name: str
    litellm_user_role: Literal["customer", "internal_user"]


class GeneralSettings(msgspec.Struct, frozen=True, kw_only=True):
    disable_auto_add_proxy_admin_to_teams: bool | None = None
    strict_config: bool | None = None
    """Ours: whether a deployment that can't be called keeps the server from starting."""
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
    stream_keepalive_s: Number | None = None
    """Switchgear's own: after how many seconds of silence the client of a stream is sent a comment, say
    30."""
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
    store_responses: bool | None = None
    """Switchgear's own: whether responses are stored where nobody of a caller's says. Yes by default."""
    stored_responses_ttl: str | None = None
    """Switchgear's own: how long a response is stored, such as `30d`."""
    user_header_name: str | list[str] | None = None
    user_header_names: list[str] | None = None
    user_header_mappings: UserHeader | list[UserHeader] | None = None
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
    info: Mapping[str, Any] = {}  # any YAML
    """`model_info` as the config has it."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `model_list` that can't be called, and why. The reason has the entry's path, and no
    secret."""

    path: str
    """Where the entry stands, such as `model_list[2]`."""
    model_name: str
    """Empty where the entry has no name."""
    reason: str
    variable: str = ""
    """The variable that the environment lacks, such as `OPENAI_API_KEY`, where that is the reason."""
    local: bool = False
    """Whether calls of it would have stayed on the user's own machines."""
    follows: str = ""
    """The path of another entry, where this one is skipped because that one is."""


class Unset(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that the environment lacks, and the place that asks for it."""

    path: str
    variable: str


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
    unset: tuple[Unset, ...] = ()
    written: tuple[str, ...] = ()
    """The paths of texts that look like a variable and are taken as they are: `${OPENAI_API_KEY}`."""

    @property
    def master_key(self) -> Secret | None:
        key = self.general_settings.master_key
        return Secret(key) if key else None


def _names_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    own = frozenset(field.encode_name for field in msgspec.structs.fields(kind))
    return own | known_keys.LATER.get(kind.__name__, frozenset())


_NEVER_SENT = known_keys.PARAMS_LATER | ({*GATEWAY_FIELDS, CACHE_FIELD, "ttl"} - known_keys.REQUEST_PARAMS)
"""LiteLLM's own keys of `litellm_params` that have no effect yet: no provider knows them."""
_SECTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "general_settings": _names_of(GeneralSettings),
        "router_settings": _names_of(RouterSettings),
        "litellm_settings": _names_of(LitellmSettings),
        "litellm_params": _names_of(LitellmParams) | known_keys.PARAMS_LATER,
        "model_info": _names_of(ModelInfo),
        "model_list": _names_of(ModelEntry),
    }
)
"""The keys that each section has, with those that have no effect yet."""


def read_config(document: Mapping[str, Any], env: Mapping[str, str]) -> Config:
    """Check a parsed config file. Nothing that a file can hold makes this raise."""
    reader = _ConfigReader(env)
    reader.export(document.get("environment_variables"))
    for key in document:
        if key in known_keys.TOP_LEVEL_LATER:
            if not asks_for_nothing(document[key]):
                reader.warnings.append(f"{key}{names_in(document[key])}: has no effect in this version")
        elif key not in known_keys.TOP_LEVEL and not str(key).startswith(NO_KEYS):
            reader.warnings.append(f"{key}: {unknown_key(key, '')}")
    return Config(
        deployments=tuple(reader.deployments(document.get("model_list"))),
        skipped=tuple(reader.skipped),
        litellm_settings=reader.section(document, "litellm_settings", LitellmSettings),
        router_settings=reader.section(document, "router_settings", RouterSettings),
        general_settings=reader.section(document, "general_settings", GeneralSettings),
        environment=reader.env,
        errors=tuple(reader.errors),
        warnings=tuple(reader.warnings),
        unset=tuple(reader.unset),
        written=tuple(reader.written),
    )


class _ConfigReader:
    """Walks the document and collects what it finds."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)
        self.errors: list[str] = []
        self.skipped: list[Skipped] = []
        self.warnings: list[str] = []
        self.unset: list[Unset] = []
        self.written: list[str] = []

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
        ids: dict[str, str] = {}
        for index, item in enumerate(model_list):
            path = f"model_list[{index}]"
            values = self.resolved(item, path)
            try:
                yield self._deployment(item, values, path)
            except BadDeployment as exc:
                if keeps_from_starting(path, exc.path):
                    self.errors.append(str(exc))
                else:
                    self.skipped.append(skipped_of(values, path, exc))
            self._check_id(values, path, ids)

    def _check_id(self, values: Any, path: str, ids: dict[str, str]) -> None:
        """The rows of two deployments with one id could not be told apart."""
        info = values.get("model_info") if isinstance(values, Mapping) else None
        known_as = info.get("id") if isinstance(info, Mapping) else None
        if isinstance(known_as, str) and ids.setdefault(known_as, path) != path:
            self.errors.append(f"{path}.model_info.id: {ids[known_as]} has the same id")

    def _deployment(self, item: Any, values: Any, path: str) -> Deployment:
        prices = self._prices(values, path)
        if isinstance(values, dict) and values.get("model_info", "absent") is None:
            del values["model_info"]
        entry = _converted(values, path, ModelEntry)
        self._warn_unknown(values, path, ModelEntry)
        self._warn_unknown(values.get("model_info") or {}, f"{path}.model_info", ModelInfo)
        return Deployment(
            path=path,
            entry=entry,
            params=self._params(values["litellm_params"], f"{path}.litellm_params"),
            prices=prices,
            empty=self._empty(item["litellm_params"], values["litellm_params"]),
            info=values.get("model_info") or {},
        )

    def _empty(self, written: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for name in known_keys.NEEDS_VALUE:
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
            if isinstance(value, str) and _VARIABLE.search(value):
                self.written.append(path)
            return value
        name = value.removeprefix(ENV_PREFIX)
        text = self.env.get(name)
        if text is None:
            self.unset.append(Unset(path=path, variable=name))
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
        for key, value in values.items():
            is_shown = kind is ModelInfo and (is_price_field(str(key)) or key in known_keys.SHOWN)
            if key in known or is_shown:
                continue
            if key not in later:
                section = path.rpartition(".")[2] if kind is not ModelEntry else "model_list"
                self.warnings.append(f"{path}.{key}: {unknown_key(str(key), section)}")
            elif self._forget_unset(f"{path}.{key}") or not is_so_anyway(key, value):
                self.warnings.append(f"{path}.{key}{names_in(value)}: has no effect in this version")

    def _forget_unset(self, path: str) -> bool:
        """A variable that the environment lacks matters nothing where its key has no effect. True where there
        was one."""
        inside = (f"{path}.", f"{path}[")
        kept = [each for each in self.unset if each.path != path and not each.path.startswith(inside)]
        found = len(kept) < len(self.unset)
        self.unset = kept
        return found

    def _prices(self, values: Any, path: str) -> dict[str, PriceField]:
        """The price fields, checked first of all: what is wrong with the rest of the entry must not hide a
        price that is none."""
        found: dict[str, PriceField] = {}
        for section in ("model_info", "litellm_params"):
            fields = values.get(section) if isinstance(values, Mapping) else None
            for name, value in fields.items() if isinstance(fields, Mapping) else ():
                if not isinstance(name, str) or not is_price_field(name) or value is None:
                    continue
                warning = warning_of(name)
                if warning is None:
                    found[name] = PriceField(path=f"{path}.{section}.{name}", value=value)
                else:
                    self.warnings.append(f"{path}.{section}.{name}: {warning}")
        check_prices(found)
        for name, field in found.items():
            doubt = per_million_doubt(name, field.value)
            if doubt is not None:
                self.warnings.append(f"{field.path}: {doubt}")
        return found

    def _params(self, values: Mapping[str, Any], path: str) -> dict[str, msgspec.Raw]:
        known = {field.encode_name for field in msgspec.structs.fields(LitellmParams)}
        params: dict[str, msgspec.Raw] = {}
        for key, value in values.items():
            if key in known or is_price_field(key):
                continue
            if key in _NEVER_SENT or key.startswith(known_keys.PARAMS_LATER_PREFIXES):
                if self._forget_unset(f"{path}.{key}") or not asks_for_nothing(value):
                    self.warnings.append(f"{path}.{key}{names_in(value)}: has no effect in this version")
                continue
            if value is None:
                continue
            elsewhere = homes_of(key)
            if elsewhere and key not in known_keys.REQUEST_PARAMS:
                self.warnings.append(f"{path}.{key}: {unknown_key(key, 'litellm_params')}; it is not sent")
                continue
            try:
                params[key] = msgspec.Raw(msgspec.json.encode(value))
            except (TypeError, ValueError, OverflowError):
                raise BadDeployment(f"{path}.{key}", f"{_kind(value)} can't be sent as JSON") from None
        return params


def asks_for_nothing(value: object) -> bool:
    """Whether a key says no more than its absence does."""
    return value is None or value is False or value in ("", [], {})


def is_so_anyway(key: str, value: object) -> bool:
    """Whether a key without an effect asks for what this gateway does without it."""
    if key in known_keys.ALWAYS_ON:
        return value is True or value is None
    return asks_for_nothing(value)


def homes_of(key: str) -> list[str]:
    """The sections that have a key of this name."""
    return [section for section, names in _SECTIONS.items() if key in names]


def unknown_key(key: str, section: str) -> str:
    """What to say of a key that its section does not have: where it belongs, or what it may have been."""
    homes = homes_of(key)
    if homes:
        where = " or ".join(f"`{home}`" if home.islower() and " " not in home else home for home in homes)
        return f"has no effect here; it belongs in {where}"
    near = get_close_matches(key, _SECTIONS.get(section, known_keys.TOP_LEVEL), n=1, cutoff=0.8)
    return f"unknown key; did you mean `{near[0]}`?" if near else "unknown key"


def keeps_from_starting(entry: str, path: str) -> bool:
    """Whether an error in an entry of `model_list` keeps the server from starting: one of money, of a limit,
    or of no entry at all. Any other makes the entry one that is skipped."""
    if not path.startswith((f"{entry}.", f"{entry}:")) and path != entry:
        return True
    fields = re.split(r"[.\[]", path.removeprefix(entry))
    return any(name in MONEY_AND_LIMITS or is_price_field(name) for name in fields)


def skipped_of(values: Any, path: str, error: BadDeployment) -> Skipped:
    """The skipped entry of an error in it. `values` is the entry as far as it could be read."""
    entry = values if isinstance(values, Mapping) else {}
    params, name = entry.get("litellm_params"), entry.get("model_name")
    return Skipped(
        path=path,
        model_name=name if isinstance(name, str) else "",
        reason=str(error),
        variable=error.variable,
        local=isinstance(params, Mapping) and would_be_local(params),
    )


def would_be_local(params: Mapping[str, Any]) -> bool:
    """Whether calls of an entry would stay on the user's own machines, as far as that can be told of one that
    is wrong."""
    model, forced = params.get("model"), params.get("custom_llm_provider")
    addresses = [params.get(name) for name in ("api_base", "base_url")]
    if any(isinstance(address, str) and is_near(address) for address in addresses):
        return True
    try:
        return isinstance(model, str) and split(model, forced if isinstance(forced, str) else None)[0].local
    except UnknownProvider:
        return False


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
