"""What the config says about retention and bodies, and what is wrong with it, by path."""

from typing import Any

import pytest

from runtime.blueprint import check


def test_everything_is_kept_and_no_body_is_by_default() -> None:
    storage = check({}, {}).storage
    assert (storage.retention, storage.stores_bodies, storage.max_body_bytes) == (None, False, 65_536)
    assert storage.retention_interval_s == 86_400


def test_litellms_settings_mean_what_they_say() -> None:
    document = {
        "general_settings": {
            "maximum_spend_logs_retention_period": "90d",
            "maximum_spend_logs_retention_interval": 3600,
            "store_prompts_in_spend_logs": True,
            "spend_logs_max_body_bytes": 1_000,
            "spend_logs_redact_fields": ["ssn"],
            "spend_logs_redact_patterns": [r"[\w.]+@[\w.]+"],
        },
        "litellm_settings": {"turn_off_message_logging": True},
    }
    checked = check(document, {})
    storage = checked.storage
    assert (checked.errors, checked.warnings) == ((), ())
    assert (storage.retention, storage.retention_interval_s) == ("90d", 3_600)
    assert (storage.stores_bodies, storage.bodies_forbidden, storage.max_body_bytes) == (True, True, 1_000)
    assert "ssn" in storage.redacted_fields
    assert "api_key" in storage.redacted_fields
    assert len(storage.redacted_patterns) == 2


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"maximum_spend_logs_retention_period": "soon"}, "maximum_spend_logs_retention_period"),
        ({"maximum_spend_logs_retention_period": 0}, "maximum_spend_logs_retention_period"),
        ({"maximum_spend_logs_retention_interval": "0d"}, "maximum_spend_logs_retention_interval"),
        ({"spend_logs_redact_patterns": ["("]}, "spend_logs_redact_patterns[0]"),
        ({"spend_logs_redact_fields": [""]}, "spend_logs_redact_fields"),
        ({"spend_logs_max_body_bytes": 0}, "spend_logs_max_body_bytes"),
        ({"spend_logs_max_body_bytes": 10**9}, "spend_logs_max_body_bytes"),
        ({"store_prompts_in_spend_logs": "maybe"}, "store_prompts_in_spend_logs"),
    ],
)
def test_a_setting_that_is_none_is_named(settings: dict[str, Any], path: str) -> None:
    (error,) = check({"general_settings": settings}, {}).errors
    assert f"general_settings.{path}" in error
