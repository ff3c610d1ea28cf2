"""Which fields of a management call may be left out with a word."""

from schema.undeclared import QUERIES_WITHOUT_EFFECT, WITHOUT_EFFECT


def test_no_field_that_limits_permits_or_pays_is_left_out() -> None:
    speaks_of = [
        "budget",
        "limit",
        "model",
        "duration",
        "expir",
        "block",
        "permission",
        "route",
        "role",
        "rpm",
        "tpm",
        "guardrail",
        "allowed",
        "enforced",
        "team",
        "member",
        "spend",
        "polic",
        "password",
    ]
    told_by_the_answer = {"budget_reset_at"}  # windows follow the calendar, and the answer has their end
    for name in {*WITHOUT_EFFECT, *QUERIES_WITHOUT_EFFECT} - told_by_the_answer:
        assert not any(word in name for word in speaks_of), name
