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

from models_registry.backends.parameters import GATEWAY_FIELDS, STRIPPED, STRIPPED_PREFIXES
from models_registry.config import known_keys
from models_registry.config.hosts import is_near
from models_registry.config.names import names_in
from models_registry.config.providers import PROVIDERS, UnknownProvider, split
from models_registry.config.sign_in import JwtSection, SsoSection
from models_registry.numbers import BadDeployment, Number
from models_registry.prices.fields import (
    PriceField,
    check_prices,
    is_price_field,
    per_million_doubt,
    warning_of,
)
from schema.cache_options import CACHE_FIELD
from schema.errors import shortened
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


class InjectionPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a request without marks of the cache gets one, in LiteLLM's words."""

    location: str = "message"
    """`message`, or `tool_config`."""
    role: str | None = None
    index: int | None = None
    control: dict[str, Any] | None = None  # a `cache_control` of Anthropic's


class LitellmParams(msgspec.Struct, frozen=True, kw_only=True):
    """The part of `litellm_params` that this version acts on. The rest is `Deployment.params`."""

    model: str
    custom_llm_provider: str | None = None
    api_key: str | None = None
    api_base: str | None = None
    residency: str | None = None
    """Switchgear's own: `local` where the calls at this deployment stay on the owner's machines."""
    allow_public_local: bool | None = None
    """Switchgear's own: whether a local deployment may stand at a public address."""
    base_url: str | None = None
    api_version: str | None = None
    """Azure's `api-version`."""
    organization: str | None = None
    extra_headers: dict[str, Any] | None = None  # texts, numbers and dates, as YAML has them
    timeout: Number | None = None
    stream_timeout: Number | None = None
    connect_timeout: Number | None = None
    """Switchgear's own: the seconds within which a connection must be made."""
    first_token_timeout: Number | None = None
    """Switchgear's own: the seconds from the request to the first byte of the answer, and of a stream to its
    first event."""
    weight: Number | None = None
    rpm: Count | None = None
    tpm: Count | None = None
    max_parallel_requests: Count | None = None
    order: int | None = None
    """Deployments with a lower number are asked first."""
    tags: list[str] | None = None
    region_name: str | None = None
    max_budget: Number | None = None
    """The dollars that all calls together may cost at this deployment in `budget_duration`."""
    budget_duration: str | None = None
    num_retries: Count | None = None
    drop_params: bool | list[str] | None = None
    """Whether fields are dropped that the provider can't honour; a list names fields that are never sent."""
    additional_drop_params: list[str] | None = None
    guardrails: list[str] | None = None
    """The guardrails that calls of the model pass, beside those of everybody."""
    cache_control_injection_points: list[InjectionPoint] | None = None
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
    litellm_credential_name: str | None = None
    """The shared credential (`credential_list`, `/credentials`) that has the values which stand not here."""

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
    residency: str | None = None
    """Switchgear's own, as in `litellm_params`."""
    allow_public_local: bool | None = None
    bills_failures: bool | None = None
    """Switchgear's own: whether the provider charges for calls that it answers with an error."""
    team_id: str | None = None
    """The team that owns the deployment. Nobody else can call it."""
    team_public_model_name: str | None = None
    """The name by which the team calls it, in place of `model_name`."""
    health_check: Literal["models", "call", "none"] | None = None
    """Switchgear's own: how the deployment is checked: by the list of models, which costs nothing, or by a
    call of one token."""
    health_check_model: str | None = None
    """The model that a call of a health check names, for a deployment with a wildcard."""
    health_check_timeout: Number | None = None
    health_check_max_tokens: Count | None = None
    disable_background_health_check: bool | None = None


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    model_name: str
    litellm_params: LitellmParams
    model_info: ModelInfo = ModelInfo()

    @property
    def public_name(self) -> str:
        """The name by which the model is called."""
        info = self.model_info
        return (info.team_public_model_name or self.model_name) if info.team_id else self.model_name


class PersonalKeys(msgspec.Struct, frozen=True, kw_only=True):
    allowed_user_roles: list[str] | None = None


class TeamKeys(msgspec.Struct, frozen=True, kw_only=True):
    allowed_team_member_roles: list[str] | None = None


class KeyGenerationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may make keys of which kind."""

    personal_key_generation: PersonalKeys | None = None
    team_key_generation: TeamKeys | None = None


GENERIC_GUARDRAIL = "generic_guardrail_api"
"""The kind of guardrail that has an effect."""
FallbackLists = list[dict[str, list[str]]]


class LitellmSettings(msgspec.Struct, frozen=True, kw_only=True):
    drop_params: bool | list[str] | None = None
    ssl_verify: bool | str | None = None
    """Whether providers must prove who they are, or the PEM file with the certificates to trust."""
    ssl_certificate: str | None = None
    """A PEM file: with a key in it, how this gateway proves who it is; without, certificates that are
    believed beside the others."""
    num_retries: int | None = None
    allowed_fails: Count | None = None
    fallbacks: FallbackLists | None = None
    context_window_fallbacks: FallbackLists | None = None
    content_policy_fallbacks: FallbackLists | None = None
    default_fallbacks: list[str] | None = None
    request_timeout: Number | None = None
    timezone: str | None = None
    turn_off_message_logging: bool | None = None
    guardrails: list[Any] | None = None  # read by `guardrails.py`, beside the section of this name
    cache: bool | None = None
    cache_params: dict[str, Any] | None = None  # read by `response_cache.py`
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


class AliasEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A further name of a model, as a mapping."""

    model: str
    hidden: bool = False


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
    allowed_fails: Count | None = None
    allowed_fails_policy: dict[str, int | None] | None = None
    cooldown_time: Number | None = None
    disable_cooldowns: bool | None = None
    model_group_alias: dict[str, str | AliasEntry] | None = None
    enable_pre_call_checks: bool | None = None
    optional_pre_call_checks: list[str] | None = None
    enable_tag_filtering: bool | None = None
    tag_filtering_match_any: bool | None = None
    provider_budget_config: dict[str, dict[str, Any]] | None = None  # numbers and texts, by LiteLLM's names
    default_max_parallel_requests: Count | None = None
    enable_health_check_routing: bool | None = None
    health_check_staleness_threshold: Number | None = None
    retry_budget_percent: Number | None = None
    """Switchgear's own: the retries that calls add to the budget of retries, in percent of the calls."""
    retry_budget_per_s: Number | None = None
    """Switchgear's own: the retries that time adds to it each second."""


class UserHeader(msgspec.Struct, frozen=True, kw_only=True):
    """One of `user_header_mappings`: a header, and whom it names."""

    header_name: str
    litellm_user_role: Literal["customer", "internal_user"]


class GeneralSettings(msgspec.Struct, frozen=True, kw_only=True):
    disable_auto_add_proxy_admin_to_teams: bool | None = None
    store_model_in_db: bool | None = None
    """Whether models, credentials and router settings are stored in Postgres too, and can be changed through
    the API. Yes by default."""
    api_env_allowlist: list[str] | None = None
    """Ours: the variables that a body of the API may name as `os.environ/NAME`. None by default."""
    content_rules: list[Any] | None = None  # read by `content_rules.py`
    """Ours: what keeps a request local, is redacted or is refused."""
    local_hosts: list[Any] | None = None  # read by `local_hosts.py`
    """Ours: what local hosts have beside their deployments: memory, another server for pulls, a schedule."""
    content_rules_unread: str | None = None
    """Ours: what becomes of a file that the rules can't read."""
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
    background_health_checks: bool | None = None
    health_check_interval: Count | None = None
    health_check_concurrency: Count | None = None
    health_check_details: bool | None = None
    min_output_tokens: Count | None = None
    user_url_validation: bool | None = None
    """Whether addresses of users are refused that lead to private networks. Yes by default."""
    user_url_allowed_hosts: list[str] | None = None
    """Hosts and private networks that users' addresses may lead to: `files.internal`, `10.0.0.0/8`."""
    fetch_through_proxy: bool | None = None
    """Switchgear's own: whether files at addresses of users may be fetched through the environment's
    proxy."""
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
    sso: SsoSection | None = None
    """Switchgear's own: how people sign in."""
    disable_env_credential_login: bool | None = None
    """Whether nobody signs in with the master key."""
    disable_password_login_when_sso_enabled: bool | None = None
    max_failed_login_attempts_per_source: Count | None = None
    failed_login_window_seconds: Count | None = None
    failed_login_block_seconds: Count | None = None
    use_x_forwarded_for: bool | None = None
    trusted_proxy_ranges: list[str] | None = None
    enable_jwt_auth: bool | None = None
    litellm_jwtauth: JwtSection | None = None


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
    stored: bool = False
    """Whether it is a stored model. Nothing that is wrong with one keeps the server from starting."""


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
    also: tuple[str, ...] = ()
    """The other variables of the entry that the environment lacks then."""
    local: bool = False
    """Whether calls of it would have stayed on the user's own machines."""
    follows: str = ""
    """The path of another entry, where this one is skipped because that one is."""
    blocked: bool = False
    """Whether an administrator blocked it: then nothing is wrong with it."""
    model_id: str = ""
    """The id of a stored model. Empty for one of the file."""
    team_id: str = ""
    """The team that owns the entry. Empty: it is everybody's."""


class Unset(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that the environment lacks, and the place that asks for it."""

    path: str
    variable: str


Credentials = Mapping[str, Mapping[str, Any]]  # values as `litellm_params` has them


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
    credentials: Credentials = {}
    """The values of shared credentials, by the credential's name."""
    guardrails: tuple[tuple[str, Any], ...] = ()  # any YAML
    """The entries of `guardrails`, each with its path."""
    ids: Mapping[str, str] = {}
    """The paths of the file's entries that say an `id`, by it. Those that can't be called are in it too."""

    @property
    def master_key(self) -> Secret | None:
        key = self.general_settings.master_key
        return Secret(key) if key else None


def _names_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    own = frozenset(kind.__struct_encode_fields__)
    return own | known_keys.LATER.get(kind.__name__, frozenset())


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
_ELSEWHERE = frozenset(name for names in _SECTIONS.values() for name in names)
_OWN_FIELDS = frozenset(name for row in PROVIDERS.values() for name in row.own_fields)
_NEVER_SENT = known_keys.PARAMS_LATER | (
    {*GATEWAY_FIELDS, CACHE_FIELD, *(STRIPPED - _ELSEWHERE - _OWN_FIELDS)} - known_keys.REQUEST_PARAMS
)
"""LiteLLM's own keys of `litellm_params` that have no effect yet: no provider knows them."""
_NEVER_SENT_PREFIXES = (*known_keys.PARAMS_LATER_PREFIXES, *STRIPPED_PREFIXES)


def read_config(document: Mapping[str, Any], env: Mapping[str, str]) -> Config:
    """Check a parsed config file. Nothing that a file can hold makes this raise."""
    reader = _ConfigReader(env)
    reader.export(document.get("environment_variables"))
    reader.share(document.get("credential_list"))
    for key in document:
        if key in known_keys.TOP_LEVEL_LATER:
            if not asks_for_nothing(document[key]):
                reader.warnings.append(f"{key}{names_in(document[key])}: has no effect in this version")
        elif key not in known_keys.TOP_LEVEL and not str(key).startswith(NO_KEYS):
            reader.warnings.append(f"{key}: {unknown_key(key, '')}")
    guardrails = tuple(reader.guardrails(document))
    return Config(
        guardrails=guardrails,
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
        credentials=reader.credentials,
        ids=reader.ids,
    )


class EntryRead(msgspec.Struct, frozen=True, kw_only=True):
    """A stored model, checked: its deployment, or why it can't be called."""

    found: Deployment | Skipped
    warnings: tuple[str, ...]


def read_entry(
    item: Mapping[str, Any], path: str, env: Mapping[str, str], credentials: Credentials
) -> EntryRead:
    """Check one entry that is not in the file. Whatever is wrong with it makes it one that is skipped.
    `env` are the variables that it may name."""
    reader = _ConfigReader(env)
    reader.credentials = dict(credentials)
    values = reader.resolved(item, path)
    found: Deployment | Skipped
    try:
        found = reader.deployment(item, values, path)
    except BadDeployment as exc:
        found = skipped_of(values, path, exc)
    return EntryRead(found=found, warnings=tuple(reader.warnings))


class _ConfigReader:
    """Walks the document and collects what it finds."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)
        self.errors: list[str] = []
        self.skipped: list[Skipped] = []
        self.ids: dict[str, str] = {}
        self.warnings: list[str] = []
        self.unset: list[Unset] = []
        self.written: list[str] = []
        self.credentials: dict[str, Mapping[str, Any]] = {}

    def share(self, listed: Any) -> None:
        """Read `credential_list`, the credentials that entries name."""
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            path = f"credential_list[{index}]"
            values = self.resolved(item, path)
            name = values.get("credential_name") if isinstance(values, Mapping) else None
            inside = values.get("credential_values") if isinstance(values, Mapping) else None
            if not isinstance(name, str) or not isinstance(inside, Mapping):
                self.errors.append(f"{path}: expected credential_name and credential_values")
            elif name in self.credentials:
                self.errors.append(f"{path}.credential_name: another credential has this name")
            else:
                self.credentials[name] = inside
        if listed is not None and not isinstance(listed, list):
            self.errors.append(f"credential_list: expected a list, found {_kind(listed)}")

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

    def guardrails(self, document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The entries of `guardrails`, and of the same in `litellm_settings`, each with its path. Variables
        are looked up in those of the kind that has an effect."""
        inside = document.get("litellm_settings")
        places = [("guardrails", document.get("guardrails"))]
        if isinstance(inside, Mapping):
            places.append(("litellm_settings.guardrails", inside.get("guardrails")))
        for place, listed in places:
            if not isinstance(listed, list):
                if not asks_for_nothing(listed):
                    self.errors.append(f"{place}: expected a list, found {_kind(listed)}")
                continue
            for index, item in enumerate(listed):
                path = f"{place}[{index}]"
                params = item.get("litellm_params") if isinstance(item, Mapping) else None
                is_generic = isinstance(params, Mapping) and params.get("guardrail") == GENERIC_GUARDRAIL
                yield path, self.resolved(item, path) if is_generic else item

    def section(self, document: Mapping[str, Any], name: str, kind: type[S]) -> S:
        found = document.get(name)
        if found is None:
            return kind()
        if isinstance(found, Mapping) and name == "litellm_settings":
            found = {key: value for key, value in found.items() if key != "guardrails"}
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
            path = f"model_list[{index}]"
            values = self.resolved(item, path)
            try:
                yield self.deployment(item, values, path)
            except BadDeployment as exc:
                if keeps_from_starting(path, exc.path):
                    self.errors.append(str(exc))
                else:
                    self.skipped.append(skipped_of(values, path, exc))
            self._check_id(values, path)

    def _check_id(self, values: Any, path: str) -> None:
        """The rows of two deployments with one id could not be told apart."""
        info = values.get("model_info") if isinstance(values, Mapping) else None
        known_as = info.get("id") if isinstance(info, Mapping) else None
        if isinstance(known_as, str) and self.ids.setdefault(known_as, path) != path:
            self.errors.append(f"{path}.model_info.id: {self.ids[known_as]} has the same id")

    def deployment(self, item: Any, values: Any, path: str) -> Deployment:
        """The deployment of an entry. `item` is the entry as it is written, and `values` with its variables
        looked up. Raises BadDeployment."""
        with_credential(values, self.credentials, path)
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
            text = str(written.get(name, ""))
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
        known = set(kind.__struct_encode_fields__)
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
        known = set(LitellmParams.__struct_encode_fields__)
        params: dict[str, msgspec.Raw] = {}
        for key, value in values.items():
            if key in known or is_price_field(key):
                continue
            if key in _NEVER_SENT or key.startswith(_NEVER_SENT_PREFIXES):
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


def with_credential(values: Any, credentials: Credentials, path: str) -> None:
    """Put the values of the credential that an entry names beside the entry's own, which count first. A
    credential with an address is for that address alone, so that nobody sends its key elsewhere. Raises
    BadDeployment."""
    params = values.get("litellm_params") if isinstance(values, Mapping) else None
    name = params.get("litellm_credential_name") if isinstance(params, Mapping) else None
    if name is None or not isinstance(params, dict):
        return
    where = f"{path}.litellm_params.litellm_credential_name"
    shared = credentials.get(name) if isinstance(name, str) else None
    if shared is None:
        raise BadDeployment(where, "there is no credential of this name")
    for address in known_keys.ADDRESSES:
        own = params.get(address)
        if own is not None and own != shared.get(address) and known_keys.KEYS & shared.keys():
            raise BadDeployment(
                f"{path}.litellm_params.{address}",
                "differs from the credential's, whose key goes to no other address; put the address into the "
                "credential",
            )
    for key, value in shared.items():
        if key in known_keys.SHARED:
            params.setdefault(key, value)
        elif key not in known_keys.CREDENTIAL_NOTES:
            raise BadDeployment(where, f"the credential has `{str(key)[:60]}`, which no credential can have")


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
    params = entry.get("litellm_params")
    return Skipped(
        path=path,
        model_name=public_name_of(entry),
        reason=str(error),
        variable=error.variable,
        local=isinstance(params, Mapping) and would_be_local(params, entry.get("model_info")),
        team_id=_team_of(entry),
    )


def public_name_of(entry: Mapping[str, Any]) -> str:
    """The name by which an entry is called, as far as it can be read. Empty: it has none."""
    info, name = entry.get("model_info"), entry.get("model_name")
    if isinstance(info, Mapping) and info.get("team_id"):
        name = info.get("team_public_model_name") or name
    return name if isinstance(name, str) else ""


def _team_of(entry: Mapping[str, Any]) -> str:
    info = entry.get("model_info")
    team = info.get("team_id") if isinstance(info, Mapping) else None
    return team if isinstance(team, str) else ""


def would_be_local(params: Mapping[str, Any], info: object = None) -> bool:
    """Whether calls of an entry would stay on the user's own machines, as far as that can be told of one that
    is wrong. `info` is its `model_info`."""
    said = params.get("residency") or (info.get("residency") if isinstance(info, Mapping) else None)
    if said == "local":
        return True
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
        where = _with_key(values, where.rstrip("`"), kind)
        raise BadDeployment(f"{path}{where}", what) from None


def _with_key(values: Any, where: str, kind: type[S]) -> str:
    """A place within a section, such as `.model_group_alias[...]`, with the key that is meant."""
    field, some, rest = where.removeprefix(".").partition("[...]")
    inside = values.get(field) if some and isinstance(values, Mapping) else None
    for key, value in inside.items() if isinstance(inside, Mapping) else ():
        try:
            msgspec.convert({**values, field: {key: value}}, kind, strict=False)
        except msgspec.ValidationError:
            return f".{field}.{shortened(str(key))}{rest}"
    return where


def _kind(value: object) -> str:
    """The kind of a value, for a message: `a list`. The value is never shown, since it may be a secret in the
    wrong place."""
    kinds = {"dict": "a mapping", "list": "a list", "str": "text", "NoneType": "nothing"}
    return kinds.get(type(value).__name__, type(value).__name__)
