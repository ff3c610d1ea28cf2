"""The sections of the config file, key by key, as this version acts on them. Keys that have no effect are in
`known_keys.py`."""

from typing import Annotated, Any, Literal

import msgspec

from models_registry.backends.injection_points import InjectionPoint
from models_registry.config.sign_in import JwtSection, SsoSection
from models_registry.numbers import Number

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
"""A number of tokens or requests."""


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
    cooldown_time: Number | None = None
    """The seconds of the deployment's first cooldown, in place of the router's."""
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
    aws_external_id: str | None = None
    aws_profile_name: str | None = None
    aws_web_identity_token: str | None = None
    model_id: str | None = None
    """The address (ARN) of an inference profile or of bought throughput, by which the model is called."""
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
    vertex_project: str | None = None
    """The project of all of Vertex AI's deployments that name none; likewise the location."""
    vertex_location: str | None = None
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
