"""The tests that run each sentence of the document, for people, data, memory and deployment."""

from tests.e2e.document import HEADING, LABEL, OPINION, Rows

HOUSE: Rows = {
    "Authentication & Roles": {
        "Authentication & Roles": HEADING,
    },
    "Microsoft 365 OAuth Flow": {
        "Microsoft 365 OAuth Flow": HEADING,
        "User → /ui → Redirect to Microsoft → Login → Azure AD returns token": (
            "test_the_ui_redirects_to_microsofts_authorise_address",
            "test_the_redirect_names_the_client_and_carries_pkce",
            "test_login_brings_the_user_back_with_a_session",
            "test_a_token_that_microsoft_did_not_sign_gives_nothing",
            "test_a_state_that_was_not_given_out_gives_nothing",
            "test_the_ui_at_port_3000_redirects_to_microsoft_and_takes_the_user_back",
        ),
        "→ LiteLLM creates user in PostgreSQL → Session created → Access granted": (
            "test_the_callback_makes_the_users_row",
            "test_login_brings_the_user_back_with_a_session",
            "test_the_ui_at_port_3000_redirects_to_microsoft_and_takes_the_user_back",
        ),
    },
    "Role-Based Access": {
        "Role-Based Access": HEADING,
        "| Role | Permissions |": LABEL,
        "| **Admin** (`proxy_admin`) | Full access: manage keys, configure models, view all logs |": (
            "test_admins_manage_keys_and_view_all_logs",
            "test_an_admin_configures_a_model_and_it_is_served",
            "test_each_role_of_the_document_may_what_it_says_and_no_more",
            "test_devops_and_admins_see_everybodys_calls_and_a_team_member_only_own_ones",
            "test_each_role_sees_its_own_part_after_signing_in",
            "test_the_rail_shows_what_the_role_may_use",
        ),
        "| **DevOps** | Monitor performance, view logs, create test keys |": (
            "test_devops_create_test_keys_and_may_not_configure_models",
            "test_devops_monitor_performance",
            "test_nobody_else_configures_models",
            "test_each_role_of_the_document_may_what_it_says_and_no_more",
            "test_devops_and_admins_see_everybodys_calls_and_a_team_member_only_own_ones",
            "test_each_role_sees_its_own_part_after_signing_in",
            "test_the_rail_shows_what_the_role_may_use",
        ),
        "| **Team Members** | Use API, view personal usage |": (
            "test_team_members_use_the_api_and_view_their_own_usage_alone",
            "test_nobody_else_configures_models",
            "test_each_role_of_the_document_may_what_it_says_and_no_more",
            "test_devops_and_admins_see_everybodys_calls_and_a_team_member_only_own_ones",
            "test_each_role_sees_its_own_part_after_signing_in",
            "test_the_rail_shows_what_the_role_may_use",
        ),
        "Set admin via database:": (
            "test_the_documents_sql_that_sets_an_admin_runs",
            "test_an_admin_set_by_sql_may_manage_keys",
        ),
        "UPDATE \"LiteLLM_UserTable\" SET user_role = 'proxy_admin'": (
            "test_the_documents_sql_that_sets_an_admin_runs",
            "test_an_admin_set_by_sql_may_manage_keys",
            "test_the_documents_sql_makes_the_signed_in_user_an_admin",
        ),
        "WHERE user_email = 'admin@deeprunner.ai';": (
            "test_the_documents_sql_that_sets_an_admin_runs",
            "test_the_documents_sql_makes_the_signed_in_user_an_admin",
        ),
    },
    "Data Persistence": {
        "Data Persistence": HEADING,
        "All data stored in **PostgreSQL**:": ("test_all_data_is_in_postgresql",),
        "LiteLLM_UserTable": (
            "test_users_are_kept_with_id_address_and_role",
            "test_the_callback_makes_the_users_row",
        ),
        "user_id, email, role (OAuth users)": (
            "test_users_are_kept_with_id_address_and_role",
            "test_the_callback_makes_the_users_row",
        ),
        "LiteLLM_VerificationToken": ("test_keys_are_stored_hashed_with_permissions_and_expiration",),
        "API keys (hashed), permissions, expiration": (
            "test_keys_are_stored_hashed_with_permissions_and_expiration",
        ),
        "LiteLLM_SpendLogs": ("test_every_request_is_logged_with_model_tokens_cost_and_latency",),
        "model, tokens, cost, latency (every request logged)": (
            "test_every_request_is_logged_with_model_tokens_cost_and_latency",
        ),
        "**Access via pgAdmin:** `http://localhost:8080/pgadmin`": (
            "test_pgadmin_at_its_address_shows_the_three_tables_and_sets_an_admin",
            "test_pgadmin_of_the_compose_project_is_on_this_machine_alone",
        ),
    },
    "Resource Usage (4GB RAM Setup)": {
        "Resource Usage (4GB RAM Setup)": HEADING,
        "| Service | Memory | Purpose |": LABEL,
        "| PostgreSQL | ~200MB | Data storage |": ("test_every_container_stays_within_the_memory_table",),
        "| LiteLLM | ~500MB | Proxy server |": ("test_every_container_stays_within_the_memory_table",),
        "| Ollama | ~2GB | Model inference |": ("test_every_container_stays_within_the_memory_table",),
        "| Nginx | ~50MB | Reverse proxy |": ("test_every_container_stays_within_the_memory_table",),
        "| pgAdmin | ~100MB | DB admin |": ("test_every_container_stays_within_the_memory_table",),
        "| **Total** | **~3GB** | (1GB buffer) |": ("test_every_container_stays_within_the_memory_table",),
    },
    "Key Benefits": {
        "Key Benefits": HEADING,
        "1. **One API, Many Models**": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_more_than_100_providers_are_reached_by_their_names",
        ),
        "- OpenAI SDK works for GPT-4, Claude, Mistral, etc.": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        "- Switch models without code changes": ("test_the_documents_program_costs_what_its_comments_say",),
        "2. **Local + Cloud Hybrid**": ("test_any_openai_sdk_calls_every_model_of_the_document",),
        "- Sensitive data → Ollama (local, private, free)": (
            "test_what_is_said_to_a_local_model_reaches_no_cloud",
            "test_local_models_cost_0_dollars_per_request",
        ),
        "- Public data → Cloud APIs (OpenAI, Anthropic)": (
            "test_gpt_4_calls_the_openai_api",
            "test_claude_3_sonnet_calls_the_anthropic_api",
        ),
        "3. **Cost Tracking**": ("test_every_request_is_logged_with_model_tokens_cost_and_latency",),
        "- Every request logged with cost": (
            "test_every_request_is_logged_with_model_tokens_cost_and_latency",
        ),
        "- Cloud APIs charged per token": ("test_cloud_apis_are_charged_per_token",),
        "- Local models: $0 per request": ("test_local_models_cost_0_dollars_per_request",),
        "4. **Self-Hosted Control**": ("test_docker_compose_up_serves_the_gateway_and_the_ui",),
        "- Own your data": ("test_all_data_is_in_postgresql",),
        "- Custom configurations": (
            "test_the_documents_yaml_adds_a_model_and_a_restart_serves_it",
            "test_the_shipped_config_has_the_documents_models_and_no_error",
        ),
        "- No vendor lock-in": OPINION,
        "5. **Enterprise Security**": (
            "test_login_brings_the_user_back_with_a_session",
            "test_each_role_of_the_document_may_what_it_says_and_no_more",
            "test_there_is_a_full_audit_log",
        ),
        "- Microsoft 365 OAuth (SSO)": (
            "test_the_ui_redirects_to_microsofts_authorise_address",
            "test_the_redirect_names_the_client_and_carries_pkce",
            "test_login_brings_the_user_back_with_a_session",
        ),
        "- Role-based permissions": (
            "test_each_role_of_the_document_may_what_it_says_and_no_more",
            "test_a_key_without_permission_for_a_model_is_turned_away",
        ),
        "- Full audit logs": ("test_there_is_a_full_audit_log",),
    },
    "Deployment": {
        "Deployment": HEADING,
        "**Local Dev:**": ("test_docker_compose_up_serves_the_gateway_and_the_ui",),
        "docker compose up -d": ("test_docker_compose_up_serves_the_gateway_and_the_ui",),
        "# Access: http://localhost:3000/ui": (
            "test_docker_compose_up_serves_the_gateway_and_the_ui",
            "test_the_ui_at_port_3000_redirects_to_microsoft_and_takes_the_user_back",
        ),
        "**Production:**": ("test_setup_sh_serves_production_by_tls",),
        "./scripts/setup.sh": ("test_setup_sh_serves_production_by_tls",),
        "# Access: https://prod.litellm.deeprunner.ai": ("test_setup_sh_serves_production_by_tls",),
        "Both environments run the same stack with identical capabilities.": (
            "test_both_environments_run_the_same_stack_with_identical_capabilities",
        ),
    },
}
