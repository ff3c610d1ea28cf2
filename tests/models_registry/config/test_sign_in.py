"""`general_settings.sso` and `litellm_jwtauth`: what is not known there is refused by its path."""

from typing import Any

import pytest

from runtime.blueprint import check

JWT = {"JWT_PUBLIC_KEY_URL": "https://k", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}


@pytest.mark.parametrize(
    ("general", "says"),
    [
        ({"sso": {"role_clam": "x"}}, "role_clam"),
        ({"sso": {"role_mappings": {"role": {}}}}, "role"),
        ({"sso": {"new_users": "perhaps"}}, "new_users"),
        ({"sso": {"session_max": "soon"}}, "session_max"),
        ({"sso": {"role_mappings": {"roles": {"emperor": []}}}}, "emperor"),
        ({"enable_jwt_auth": True, "litellm_jwtauth": {"custom_validate": "x"}}, "custom_validate"),
        ({"failed_login_window_seconds": 0}, "failed logins"),
    ],
)
def test_a_setting_that_can_not_be_used_keeps_the_server_from_starting(
    general: dict[str, Any], says: str
) -> None:
    errors = check({"general_settings": general}, JWT).errors
    assert any(says in error for error in errors), errors
    assert any("general_settings" in error for error in errors), errors


def test_the_page_of_the_docs_is_taken_as_it_stands() -> None:
    sso = {
        "role_claim": "roles",
        "role_mappings": {
            "roles": {"devops": ["Platform"], "proxy_admin": ["Gateway Admins"]},
            "default_role": "internal_user",
        },
        "team_mappings": {"groups": {"Platform": "platform"}, "create_teams": False},
        "allowed_email_domains": ["example.com"],
        "new_users": "active",
        "session_idle": "1h",
        "session_max": "12h",
        "password_login": False,
        "auto_redirect": True,
    }
    jwt = {
        "user_id_jwt_field": "oid",
        "user_id_upsert": True,
        "team_ids_jwt_field": "groups",
        "roles_jwt_field": "roles",
        "role_mappings": [{"role": "Platform", "internal_role": "devops"}],
        "admin_jwt_scope": "gateway_admin",
    }
    checked = check({"general_settings": {"sso": sso, "enable_jwt_auth": True, "litellm_jwtauth": jwt}}, JWT)
    assert (checked.errors, checked.warnings) == ((), ())
    assert checked.tokens is not None
