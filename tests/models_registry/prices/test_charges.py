"""Which failures of a provider cost nothing: one table."""

import pytest

from models_registry.prices.charges import costs_nothing
from schema.errors.upstream import (
    ProviderAnswer,
    ProviderError,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)


def answered(status: int, *, in_envelope: bool = True) -> UpstreamError:
    """Its mapped status is another one on purpose: the provider's own counts."""
    error = ProviderError("x", status=400 if status >= 500 else 503)
    error.answer = ProviderAnswer(status=status, in_envelope=in_envelope)
    return error


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 418, 422, 425, 429, 451, 498])
@pytest.mark.parametrize("in_envelope", [True, False])
def test_a_whole_refusal_costs_nothing_whoever_wrote_it(status: int, in_envelope: bool) -> None:
    assert costs_nothing(answered(status, in_envelope=in_envelope), bills_failures=False)


@pytest.mark.parametrize("status", [500, 503, 529])
def test_a_failure_costs_nothing_where_the_provider_itself_says_it(status: int) -> None:
    assert costs_nothing(answered(status), bills_failures=False)
    assert not costs_nothing(answered(status, in_envelope=False), bills_failures=False)


@pytest.mark.parametrize(
    "status", [408, 499, 501, 502, 504, 505, 507, 508, 511, *range(520, 528), 530, 598, 599]
)
def test_what_a_proxy_says_of_a_call_is_doubtful_in_whatever_shape(status: int) -> None:
    assert not costs_nothing(answered(status), bills_failures=False)


@pytest.mark.parametrize(
    ("status", "free"), [(301, True), (302, True), (307, True), (308, True)]
    + [(status, False) for status in (101, 201, 202, 204, 206, 300, 303, 304, 305, 600, 999)],
)  # fmt: skip
def test_a_redirect_was_not_served_and_any_other_answer_may_have_been(status: int, free: bool) -> None:
    assert costs_nothing(answered(status, in_envelope=False), bills_failures=False) == free


def test_without_an_answer_only_a_missing_connection_costs_nothing() -> None:
    assert costs_nothing(UpstreamUnreachable("down"), bills_failures=False)
    for error in (UpstreamTimeout("slow"), UpstreamCut("cut"), UpstreamMalformed("garbage")):
        assert not costs_nothing(error, bills_failures=False)


def test_an_error_inside_a_200_costs_nothing_where_its_kind_is_the_requests_fault() -> None:
    assert costs_nothing(ProviderError("x", status=429), bills_failures=False)
    assert not costs_nothing(ProviderError("x", status=503), bills_failures=False)


def test_a_provider_that_bills_failures_is_doubted_whatever_it_answers() -> None:
    for error in (answered(429), answered(500), answered(529), ProviderError("x", status=400)):
        assert not costs_nothing(error, bills_failures=True)
    assert costs_nothing(UpstreamUnreachable("down"), bills_failures=True)
