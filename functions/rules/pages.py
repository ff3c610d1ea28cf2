"""Lists by page. Pages count from 1."""

from schema.errors.requests import InvalidRequest

LAST_PAGE = 1_000_000


def check_size(size: int, *, most: int, param: str = "page_size") -> None:
    """Check how many rows are asked for: 1 to `most`. Raises InvalidRequest."""
    if not 1 <= size <= most:
        raise InvalidRequest(f"{param}: expected 1 to {most}, found {size}", param=param)


def check_page(page: int, size: int, *, most: int, size_param: str = "page_size") -> None:
    """Check which page is asked for, and its size. Raises InvalidRequest."""
    check_size(size, most=most, param=size_param)
    if not 1 <= page <= LAST_PAGE:
        raise InvalidRequest(f"page: expected 1 to {LAST_PAGE}, found {page}", param="page")


def pages_of(total: int, size: int) -> int:
    """How many pages `total` rows fill."""
    return -(-total // size)
