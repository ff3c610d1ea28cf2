"""The tests that run each sentence of the document, for the picture, the request flow and the models."""

from tests.e2e.document import HEADING, LABEL, NO_FIGURE, Rows

CALLS: Rows = {
    "LiteLLM System Design - DeepRunner.ai": {
        "LiteLLM System Design - DeepRunner.ai": HEADING,
    },
    "Architecture Overview": {
        "Architecture Overview": HEADING,
        "LiteLLM is a **unified proxy** that provides a single OpenAI-compatible API for accessing 100+ LLM providers, including local open-source models via Ollama.": (
            "test_more_than_100_providers_are_reached_by_their_names",
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_mistral_local_calls_the_ollama_container",
        ),
        "Client Application": LABEL,
        "(Any OpenAI SDK: Python, JavaScript, cURL)": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_the_javascript_sdk_calls_every_kind_of_model",
            "test_post_v1_chat_completions_with_curl",
            "test_curl_calls_the_gateway_through_nginx",
        ),
        "HTTPS": ("test_setup_sh_serves_production_by_tls",),
        "Nginx (Port 80/443)": (
            "test_setup_sh_serves_production_by_tls",
            "test_step_1_a_client_posts_to_v1_chat_completions",
        ),
        "• SSL/TLS Termination": ("test_setup_sh_serves_production_by_tls",),
        "• Rate Limiting": ("test_step_2_nginx_checks_rate_limits",),
        "• Security Headers": ("test_nginx_adds_security_headers_to_every_answer",),
        "/ui": (
            "test_step_2_nginx_routes_v1_ui_and_pgadmin_each_to_its_service",
            "test_the_admin_ui_is_served_to_who_is_signed_in",
        ),
        "/v1/*": (
            "test_step_2_nginx_routes_v1_ui_and_pgadmin_each_to_its_service",
            "test_step_1_a_client_posts_to_v1_chat_completions",
        ),
        "/pgadmin": (
            "test_step_2_nginx_routes_v1_ui_and_pgadmin_each_to_its_service",
            "test_pgadmin_at_its_address_shows_the_three_tables_and_sets_an_admin",
        ),
        "Admin": ("test_the_admin_ui_is_served_to_who_is_signed_in",),
        "LiteLLM Proxy (Port 4000)": (
            "test_docker_compose_up_serves_the_gateway_and_the_ui",
            "test_an_arrow_of_the_picture_connects",
        ),
        "pgAdmin": (
            "test_step_2_nginx_routes_v1_ui_and_pgadmin_each_to_its_service",
            "test_pgadmin_at_its_address_shows_the_three_tables_and_sets_an_admin",
            "test_pgadmin_of_the_compose_project_is_on_this_machine_alone",
        ),
        "UI": (
            "test_the_admin_ui_is_served_to_who_is_signed_in",
            "test_the_rail_shows_what_the_role_may_use",
        ),
        "• OpenAI-compatible API": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_the_answer_is_in_openais_format_whoever_gave_it",
        ),
        "(DB Admin)": (
            "test_pgadmin_at_its_address_shows_the_three_tables_and_sets_an_admin",
            "test_pgadmin_of_the_compose_project_is_on_this_machine_alone",
        ),
        "• Model Routing": (
            "test_step_4_the_model_decides_the_route",
            "test_gpt_4_calls_the_openai_api",
            "test_claude_3_sonnet_calls_the_anthropic_api",
            "test_mistral_local_calls_the_ollama_container",
        ),
        "• Auth & RBAC": (
            "test_step_3_the_key_is_authenticated_and_its_permissions_are_checked",
            "test_an_api_key_is_checked_against_postgresql",
            "test_each_role_of_the_document_may_what_it_says_and_no_more",
        ),
        "• Request Logging": (
            "test_every_request_is_logged_with_model_tokens_cost_and_latency",
            "test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",
        ),
        "PostgreSQL": (
            "test_an_arrow_of_the_picture_connects",
            "test_all_data_is_in_postgresql",
        ),
        "OpenAI": ("test_gpt_4_calls_the_openai_api",),
        "Anthropic": ("test_claude_3_sonnet_calls_the_anthropic_api",),
        "Ollama (Local)": (
            "test_mistral_local_calls_the_ollama_container",
            "test_an_arrow_of_the_picture_connects",
        ),
        "• Users": (
            "test_users_are_kept_with_id_address_and_role",
            "test_the_callback_makes_the_users_row",
        ),
        "GPT-4": ("test_gpt_4_calls_the_openai_api",),
        "Claude-3": ("test_claude_3_sonnet_calls_the_anthropic_api",),
        "Mistral": ("test_mistral_local_calls_the_ollama_container",),
        "• Keys": ("test_keys_are_stored_hashed_with_permissions_and_expiration",),
        "GPT-3.5": ("test_any_openai_sdk_calls_every_model_of_the_document",),
        "Llama3": ("test_any_openai_sdk_calls_every_model_of_the_document",),
        "• Logs": ("test_every_request_is_logged_with_model_tokens_cost_and_latency",),
        "(No API costs)": ("test_local_models_cost_0_dollars_per_request",),
        "• Costs": ("test_cloud_apis_are_charged_per_token",),
        "(Private)": ("test_what_is_said_to_a_local_model_reaches_no_cloud",),
    },
    "How It Works: Request Flow": {
        "How It Works: Request Flow": HEADING,
        "1. Client Request": (
            "test_step_1_a_client_posts_to_v1_chat_completions",
            "test_post_v1_chat_completions_with_curl",
        ),
        "POST /v1/chat/completions": (
            "test_step_1_a_client_posts_to_v1_chat_completions",
            "test_post_v1_chat_completions_with_curl",
        ),
        '{ "model": "mistral-local", "messages": [...] }': (
            "test_step_1_a_client_posts_to_v1_chat_completions",
            "test_post_v1_chat_completions_with_curl",
        ),
        "2. Nginx": ("test_step_2_nginx_routes_v1_ui_and_pgadmin_each_to_its_service",),
        "• Validate SSL": ("test_setup_sh_serves_production_by_tls",),
        "• Check rate limits": ("test_step_2_nginx_checks_rate_limits",),
        "• Route to LiteLLM": ("test_step_2_nginx_routes_v1_ui_and_pgadmin_each_to_its_service",),
        "3. LiteLLM Proxy": ("test_step_3_the_key_is_authenticated_and_its_permissions_are_checked",),
        "• Authenticate API key (PostgreSQL lookup)": (
            "test_step_3_the_key_is_authenticated_and_its_permissions_are_checked",
            "test_an_api_key_is_checked_against_postgresql",
        ),
        "• Check permissions (RBAC)": (
            "test_step_3_the_key_is_authenticated_and_its_permissions_are_checked",
            "test_a_key_without_permission_for_a_model_is_turned_away",
        ),
        '• Identify model: "mistral-local" → Ollama': (
            "test_step_4_the_model_decides_the_route",
            "test_mistral_local_calls_the_ollama_container",
        ),
        "4a. Cloud API Route": ("test_step_4_the_model_decides_the_route",),
        "4b. Local Model Route": ("test_step_4_the_model_decides_the_route",),
        "(GPT-4, Claude)": (
            "test_step_4_the_model_decides_the_route",
            "test_gpt_4_calls_the_openai_api",
            "test_claude_3_sonnet_calls_the_anthropic_api",
        ),
        "(Ollama)": (
            "test_step_4_the_model_decides_the_route",
            "test_mistral_local_calls_the_ollama_container",
        ),
        "External API Call": (
            "test_gpt_4_calls_the_openai_api",
            "test_claude_3_sonnet_calls_the_anthropic_api",
        ),
        "Ollama Container": (
            "test_mistral_local_calls_the_ollama_container",
            "test_the_ollama_container_loads_the_model_and_runs_it_on_the_cpu",
        ),
        "• Transform request": ("test_a_request_is_translated_into_the_providers_words",),
        "• Load model in memory": ("test_the_ollama_container_loads_the_model_and_runs_it_on_the_cpu",),
        "• Send to provider": (
            "test_gpt_4_calls_the_openai_api",
            "test_claude_3_sonnet_calls_the_anthropic_api",
        ),
        "• Run inference on CPU": (
            "test_the_ollama_container_loads_the_model_and_runs_it_on_the_cpu",
            "test_inference_runs_on_this_machines_cpu",
        ),
        "• Wait for response": ("test_any_openai_sdk_calls_every_model_of_the_document",),
        "• Return completion": (
            "test_inference_runs_on_this_machines_cpu",
            "test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",
        ),
        "5. Normalize Response": (
            "test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",
            "test_the_answer_is_in_openais_format_whoever_gave_it",
        ),
        "• Convert to OpenAI format": (
            "test_the_answer_is_in_openais_format_whoever_gave_it",
            "test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",
        ),
        "• Calculate tokens & cost": (
            "test_cloud_apis_are_charged_per_token",
            "test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",
        ),
        "• Log to PostgreSQL": (
            "test_every_request_is_logged_with_model_tokens_cost_and_latency",
            "test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",
        ),
        "6. Return to Client": ("test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",),
        "OpenAI-compatible response": (
            "test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged",
            "test_the_answer_is_in_openais_format_whoever_gave_it",
        ),
    },
    "Multi-Model Example": {
        "Multi-Model Example": HEADING,
        "**Same code, different models:**": ("test_the_documents_program_costs_what_its_comments_say",),
        'client = OpenAI(base_url="https://litellm.deeprunner.ai/v1", api_key="sk-xxx")': (
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        "# Cloud API (OpenAI) - costs $0.03/1K tokens": (
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        'client.chat.completions.create(model="gpt-4", messages=[...])': (
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        "# Cloud API (Anthropic) - costs $0.015/1K tokens": (
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        'client.chat.completions.create(model="claude-3-sonnet", messages=[...])': (
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        "# Local OSS (Ollama) - FREE, private, no external call": (
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        'client.chat.completions.create(model="mistral-local", messages=[...])': (
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        "**Behind the scenes:**": LABEL,
        "- `gpt-4` → LiteLLM calls OpenAI API": ("test_gpt_4_calls_the_openai_api",),
        "- `claude-3-sonnet` → LiteLLM calls Anthropic API": (
            "test_claude_3_sonnet_calls_the_anthropic_api",
        ),
        "- `mistral-local` → LiteLLM calls Ollama container (local, no internet)": (
            "test_mistral_local_calls_the_ollama_container",
            "test_a_local_model_answers_on_a_machine_without_any_network",
            "test_a_local_model_answers_while_the_way_to_the_internet_is_cut",
        ),
    },
    "Ollama: Local Open-Source Models": {
        "Ollama: Local Open-Source Models": HEADING,
    },
    "Why Ollama?": {
        "Why Ollama?": HEADING,
        "- **Privacy**: Sensitive data never leaves infrastructure": (
            "test_what_is_said_to_a_local_model_reaches_no_cloud",
            "test_the_documents_program_costs_what_its_comments_say",
            "test_ollama_has_no_way_to_the_internet_and_the_gateway_has",
        ),
        "- **Cost**: $0 per request (no API charges)": (
            "test_local_models_cost_0_dollars_per_request",
            "test_the_documents_program_costs_what_its_comments_say",
        ),
        "- **Speed**: Low latency (local inference)": NO_FIGURE,
        "- **Offline**: Works without internet": (
            "test_a_local_model_answers_on_a_machine_without_any_network",
            "test_a_local_model_answers_while_the_way_to_the_internet_is_cut",
        ),
    },
    "Network Isolation": {
        "Network Isolation": HEADING,
        "Internet": (
            "test_ollama_has_no_way_to_the_internet_and_the_gateway_has",
            "test_the_internet_has_no_way_to_ollama",
        ),
        "X": (
            "test_ollama_has_no_way_to_the_internet_and_the_gateway_has",
            "test_the_internet_has_no_way_to_ollama",
        ),
        "Ollama (blocked, cannot access)": (
            "test_ollama_has_no_way_to_the_internet_and_the_gateway_has",
            "test_the_internet_has_no_way_to_ollama",
        ),
        "Internal Docker network only": (
            "test_an_arrow_of_the_picture_connects",
            "test_what_has_no_arrow_does_not_connect",
        ),
        "LiteLLM": ("test_an_arrow_of_the_picture_connects",),
        "Ollama (allowed)": ("test_an_arrow_of_the_picture_connects",),
        "Ollama runs on an isolated network with **no external access**.": (
            "test_ollama_has_no_way_to_the_internet_and_the_gateway_has",
            "test_the_internet_has_no_way_to_ollama",
        ),
        "Only LiteLLM can communicate with it.": (
            "test_an_arrow_of_the_picture_connects",
            "test_what_has_no_arrow_does_not_connect",
        ),
    },
    "Available Models": {
        "Available Models": HEADING,
        "Add any model from [ollama.ai/library](https://ollama.ai/library):": (
            "test_the_documents_yaml_adds_a_model_and_a_restart_serves_it",
            "test_pull_three_lines_and_restart_serve_a_model",
        ),
        "# Pull model": ("test_pull_three_lines_and_restart_serve_a_model",),
        "docker exec litellm-ollama ollama pull llama3": (
            "test_pull_three_lines_and_restart_serve_a_model",
            "test_a_local_model_that_is_not_pulled_says_how_to_pull_it",
        ),
        "# Add to config/litellm-config.yaml": (
            "test_the_documents_yaml_adds_a_model_and_a_restart_serves_it",
            "test_pull_three_lines_and_restart_serve_a_model",
        ),
        "- model_name: llama3-local": (
            "test_the_documents_yaml_adds_a_model_and_a_restart_serves_it",
            "test_pull_three_lines_and_restart_serve_a_model",
        ),
        "litellm_params:": (
            "test_the_documents_yaml_adds_a_model_and_a_restart_serves_it",
            "test_pull_three_lines_and_restart_serve_a_model",
        ),
        "model: ollama/llama3": (
            "test_the_documents_yaml_adds_a_model_and_a_restart_serves_it",
            "test_pull_three_lines_and_restart_serve_a_model",
        ),
        "api_base: http://ollama:11434": (
            "test_the_documents_yaml_adds_a_model_and_a_restart_serves_it",
            "test_pull_three_lines_and_restart_serve_a_model",
        ),
        "# Restart": ("test_pull_three_lines_and_restart_serve_a_model",),
        "docker compose restart litellm": ("test_pull_three_lines_and_restart_serve_a_model",),
        "**Popular choices:**": LABEL,
        "- `mistral` (7B) - Fast, general purpose": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_the_shipped_config_has_the_documents_models_and_no_error",
        ),
        "- `llama3` (8B) - High quality": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_the_shipped_config_has_the_documents_models_and_no_error",
            "test_pull_three_lines_and_restart_serve_a_model",
        ),
        "- `codellama` (7B) - Code generation": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_the_shipped_config_has_the_documents_models_and_no_error",
        ),
        "- `phi3` (3.8B) - Smaller, faster": (
            "test_any_openai_sdk_calls_every_model_of_the_document",
            "test_the_shipped_config_has_the_documents_models_and_no_error",
        ),
    },
}
