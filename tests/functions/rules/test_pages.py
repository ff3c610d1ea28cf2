import pytest

from functions.rules.pages import LAST_PAGE, check_page, pages_of
from schema.errors.requests import InvalidRequest


@pytest.mark.parametrize(("page", "size"), [(1, 1), (LAST_PAGE, 100)])
def test_a_page_within_the_limits_passes(page: int, size: int) -> None:
    check_page(page, size, most=100)


@pytest.mark.parametrize(
    ("page", "size", "param"), [(0, 1, "page"), (LAST_PAGE + 1, 1, "page"), (1, 0, "size"), (1, 101, "size")]
)
def test_what_is_out_of_range_is_named(page: int, size: int, param: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{param}: expected 1 to") as refused:
        check_page(page, size, most=100, size_param="size")
    assert refused.value.param == param


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (10, 1), (11, 2)])
def test_the_last_page_may_be_part_full(total: int, pages: int) -> None:
    assert pages_of(total, 10) == pages
