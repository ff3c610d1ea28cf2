"""LiteLLM's config keys without an effect in this version, so that a warning can tell them from typos.

Source: the keys documented for LiteLLM 1.109.
"""

from collections.abc import Mapping
from types import MappingProxyType

TOP_LEVEL = frozenset(
    {
        "model_list",
        "litellm_settings",
        "general_settings",
        "router_settings",
        "environment_variables",
        "credential_list",
        "guardrails",
        "include",
    }
)

TOP_LEVEL_LATER = frozenset(
    """callback_settings policies policy_attachments prompts mcp_servers mcp_tools
    search_tools sandbox_tools vector_store_registry agent_list assistant_settings finetune_settings
    files_settings default_vertex_config worker_registry""".split()
)

LATER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "LitellmSettings": frozenset(
            """modify_params callbacks success_callback failure_callback
            audit_log_callbacks default_team_settings
            disable_end_user_cost_tracking
            redact_user_api_key_info log_raw_request_response json_logs store_audit_logs
            require_auth_for_metrics_endpoint custom_prometheus_metadata_labels custom_prometheus_tags
            prometheus_metrics_config prometheus_initialize_budget_metrics extra_spend_tag_headers
            tag_budget_config priority_reservation
            block_requests_for_models_without_pricing
            custom_provider_map enable_json_schema_validation return_response_headers
            add_user_information_to_llm_headers force_ipv4 public_model_groups
            enable_redis_auth_cache set_verbose telemetry add_function_to_prompt budget_reset_time
            default_max_internal_user_budget disable_add_transform_inline_image_block
            disable_aiohttp_transport disable_copilot_system_to_assistant disable_hf_tokenizer_download
            disable_stop_sequence_limit enable_azure_ad_token_refresh
            enable_end_user_cost_tracking_prometheus_only enable_key_alias_format_validation
            enable_preview_features http2 input_callback langfuse_default_tags max_ui_session_budget
            mcp_aliases overwrite_user_with_key_hash request_correlation_in_logs require_managed_files
            route_all_chat_openai_to_responses s3_callback_params service_callback service_callbacks
            skip_system_message_in_guardrail skip_tool_message_in_guardrail suppress_debug_info
            use_chat_completions_url_for_anthropic_messages""".split()
        ),
        "RouterSettings": frozenset(
            """routing_strategy_args routing_groups weights default_litellm_params enable_weighted_failover
            enable_mid_stream_fallback_continuation
            redis_host redis_port redis_password redis_url redis_db cache_responses
            caching_groups client_ttl default_priority deployment_affinity_ttl_seconds alerting_config
            assistants_config cache_kwargs debug_level model_group_affinity_config polling_interval
            router_general_settings tag_routing_prefix set_verbose ignore_invalid_deployments""".split()
        ),
        "GeneralSettings": frozenset(
            """database_connection_timeout
            database_max_idle_connection_lifetime database_socket_timeout
            database_disable_prepared_statements database_extra_connection_params
            supported_db_objects completion_model alert_types alerting_threshold
            alert_to_webhook_url alerting_args
            max_in_flight_requests_per_worker max_queued_requests_per_worker
            admission_queue_timeout_seconds max_response_size_mb allowed_routes
            public_routes admin_only_routes allowed_ips
            litellm_key_header_name
            enable_oauth2_auth custom_auth custom_sso custom_key_generate
            role_permissions enforce_rbac ui_access_mode
            key_management_system
            key_management_settings pass_through_endpoints user_api_key_cache_ttl
            user_api_key_cache_max_size disable_spend_logs disable_error_logs disable_spend_updates
            disable_reset_budget
            maximum_spend_logs_size use_spend_logs_partitioning proxy_batch_write_at
            proxy_budget_rescheduler_min_time proxy_budget_rescheduler_max_time
            proxy_config_reload_interval_seconds use_redis_transaction_buffer coordination_redis
            fail_closed_rate_limit_enforcement fail_closed_budget_enforcement
            disable_budget_reservation
            allow_requests_on_db_unavailable enforce_user_param reject_clientside_metadata_tags
            forward_client_headers_to_llm_api cancel_on_disconnect infer_model_from_keys
            return_wildcard_routes model_list_healthy_only enforce_fallback_model_access
            disable_fallbacks_on_per_model_rate_limits provider_url_destination_allowed_hosts
            self_serve_budget_policy accounting_capture
            accounting_sync_ack alert_type_config allow_cli_sso_verification_uri_complete
            allow_client_side_credentials allow_unmanaged_response_ids allow_user_auth
            allowed_file_extensions always_include_stream_usage auto_redirect_ui_login_to_sso
            background_health_check_model_groups blocked_file_extensions control_plane_url
            custom_auth_run_common_checks custom_key_policy custom_key_update
            custom_ui_sso_sign_in_handler dangerously_permit_weak_or_unset_master_key
            database_connect_timeout database_connection_pool_timeout database_lock_timeout
            database_statement_timeout disable_adding_master_key_hash_to_db
            disable_batch_input_file_rate_limiting disable_master_key_return disable_prisma_schema_update
            disable_responses_id_security disable_retry_on_max_parallel_request_limit_error
            drain_endpoint_token embedding_model enable_drain_endpoint enable_mcp_registry
            enable_oauth2_proxy_auth enforce_fallback_budget enforced_params forward_llm_provider_auth_headers
            forward_openai_org_id health_check_ignore_transient_errors
            health_check_skip_disabled_background_models image_generation_model
            include_call_id_in_error_body legacy_unscoped_spend_list_endpoints litellm_license
            max_batch_file_size_mb max_failed_login_attempts_per_source_overrides
            maximum_spend_logs_cleanup_batch_size maximum_spend_logs_cleanup_batch_timeout
            maximum_spend_logs_cleanup_cron maximum_spend_logs_cleanup_max_batches
            maximum_spend_logs_cleanup_run_budget mcp_client_side_auth_header_name mcp_internal_ip_ranges
            mcp_required_fields mcp_trusted_proxy_ranges missing_session_id moderation_model
            oauth2_config_mappings pass_through_request_timeout proxy_batch_polling_interval
            require_end_user_mcp_access_defined require_key_mcp_access_defined scheduled_job_stagger
            scope_spend_list_endpoints_to_caller service_account_settings
            skip_batch_input_file_rate_limiting_for_models
            skip_batch_input_file_rate_limiting_for_providers spend_capture_rate_check
            spend_report_frequency sse_keepalive_ping_interval_seconds token_rate_limit_type
            use_azure_key_vault use_client_credentials_pass_through_routes use_google_kms
            use_shared_health_check user_mcp_management_mode""".split()
        ),
        "ModelInfo": frozenset("blocked discoverable access_windows".split()),
    }
)

SHOWN = frozenset(
    """max_input_tokens prompt_cache_min_tokens reasoning_effort_levels thinking_always_on
    supports_function_calling supports_vision supports_response_schema supports_parallel_function_calling
    supports_system_messages supports_prompt_caching supports_audio_input supports_audio_output
    supports_pdf_input supports_video_input supports_web_search supports_computer_use supports_tool_choice
    supports_forced_tool_use supports_native_structured_output supports_assistant_prefill
    supports_sampling_params supports_adaptive_thinking supports_legacy_thinking
    supports_native_streaming supported_endpoints supported_modalities supported_output_modalities
    litellm_provider key tier region db_model description version created_at updated_at created_by updated_by
    deprecation_date output_vector_size""".split()
)
"""Keys of `model_info` that `/model/info` shows. Some of them also say what the model takes
(`models_registry/facts/table.py`)."""
ALWAYS_ON = frozenset(
    """require_auth_for_metrics_endpoint enforce_fallback_model_access cancel_on_disconnect store_audit_logs
    fail_closed_budget_enforcement fail_closed_rate_limit_enforcement
    enable_weighted_failover enable_azure_ad_token_refresh enforce_fallback_budget
    disable_master_key_return disable_adding_master_key_hash_to_db
    scope_spend_list_endpoints_to_caller""".split()
)
"""Keys without an effect, since this gateway always does what their `true` asks for."""

PARAMS_LATER = frozenset(
    """azure_username azure_password itpm otpm rpd tpd daily_reset_time
    default_api_key_rpm_limit default_api_key_tpm_limit
    allowed_openai_params tag_regex
    mock_response use_in_pass_through configurable_clientside_auth_params
    merge_reasoning_content_in_choices keepalive_seconds allow_client_keepalive_override
    max_file_size_mb use_chat_completions_api use_litellm_proxy""".split()
)
PARAMS_LATER_PREFIXES = ("aws_", "vertex_", "cache_")

OPENAI_CHAT = frozenset(
    """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
    messages metadata modalities model moderation n parallel_tool_calls prediction presence_penalty
    prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format
    safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools
    top_logprobs top_p user verbosity web_search_options extra_body""".split()
)
OPENAI_EMBEDDINGS = frozenset("dimensions encoding_format input model user extra_body".split())
"""What OpenAI declares of a request, and `extra_body`, whose fields somebody wants to be sent as they are.
OpenAI's own hosts refuse any other field. Source: OpenAI's OpenAPI document 2.3.0."""
REQUEST_PARAMS = OPENAI_CHAT | OPENAI_EMBEDDINGS | frozenset("top_k min_p repeat_penalty thinking".split())
"""Request fields people set as defaults in `litellm_params` for a server of OpenAI's dialect; any other name
gets a warning."""
NEEDS_VALUE = (
    *("api_base", "base_url", "api_key"),
    *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region_name", "aws_role_name"),
    *("aws_session_name", "aws_external_id", "aws_profile_name", "aws_web_identity_token"),
    "aws_bedrock_runtime_endpoint",
    *("tenant_id", "client_id", "client_secret", "azure_ad_token", "azure_scope"),
    *("vertex_project", "vertex_location", "vertex_credentials"),
)
"""Addresses and credentials. Where the config names one and the environment has no value for it, nothing else
takes its place."""

ADDRESSES = ("api_base", "base_url", "aws_bedrock_runtime_endpoint")
"""Parameters that say where a deployment's calls go."""
KEYS = frozenset(
    """api_key aws_access_key_id aws_secret_access_key aws_session_token client_secret azure_ad_token
    vertex_credentials headers extra_headers""".split()
)
"""Parameters that hold a key, or headers, which may hold one."""
SHARED = KEYS | {
    *ADDRESSES,
    *("api_version", "organization", "aws_region_name", "aws_role_name", "aws_session_name"),
    "aws_external_id",
    *("tenant_id", "client_id", "azure_scope", "vertex_project", "vertex_location"),
}
"""Parameters that a shared credential may have."""
ALIASES: Mapping[str, str] = MappingProxyType(
    {f"vertex_ai_{name}": f"vertex_{name}" for name in ("project", "location", "credentials")}
)
"""Other names that LiteLLM knows for parameters."""
CREDENTIAL_NOTES = frozenset({"custom_llm_provider"})
"""What a credential may say and what counts for no deployment."""
