"""What requests ask of the response cache, and what their key lets them ask."""

from typing import Any

import msgspec
import pytest

from schema.cache_options import AS_USUAL, CONTROLS, NO_CACHE_CONTROLS, CacheOptions, cache_options_of
from schema.errors.callers import NotAllowed


def asked(cache: Any = None, header: str | None = None, allowed: tuple[str, ...] = ()) -> CacheOptions:
    fields = {} if cache is None else {"cache": msgspec.Raw(msgspec.json.encode(cache))}
    return cache_options_of({} if header is None else {"cache-control": header}, fields, allowed)


def test_a_key_without_a_list_may_ask_for_everything() -> None:
    everything = {
        "no-cache": True,
        "no-store": True,
        "ttl": 5,
        "s-maxage": 6,
        "namespace": "n",
        "use-cache": True,
    }
    found = asked(everything)
    assert found == asked(everything, allowed=CONTROLS)
    assert (found.reads, found.keeps, found.ttl_s, found.oldest_s) == (False, False, 5.0, 6.0)
    assert (found.namespace, found.wanted) == ("n", True)


@pytest.mark.parametrize("name", [*CONTROLS, "something"])
def test_a_key_with_a_list_asks_for_nothing_else_in_a_body(name: str) -> None:
    allowed = tuple(each for each in CONTROLS if each != name)
    with pytest.raises(NotAllowed, match=f"may not set '{name}'") as refused:
        asked({name: 5}, allowed=allowed)
    assert refused.value.http_status == 403
    assert asked({}, allowed=allowed) == AS_USUAL


@pytest.mark.parametrize(
    ("header", "control"),
    [("no-cache", "no-cache"), ("no-store", "no-store"), ("s-maxage=60", "ttl"), ("max-age=60", "s-maxage")],
)
def test_what_a_key_may_not_ask_is_ignored_in_the_header(header: str, control: str) -> None:
    assert asked(header=header, allowed=tuple({*CONTROLS} - {control, "s-max-age"})) == AS_USUAL
    assert asked(header=header, allowed=(control,)) == asked(header=header) != AS_USUAL


def test_a_caller_that_may_use_no_control_uses_none() -> None:
    assert asked({}, allowed=NO_CACHE_CONTROLS) == AS_USUAL
    for name in CONTROLS:
        with pytest.raises(NotAllowed, match="allowed_cache_controls"):
            asked({name: True}, allowed=NO_CACHE_CONTROLS)
    assert asked(header="no-cache, no-store, s-maxage=5, max-age=5", allowed=NO_CACHE_CONTROLS) == AS_USUAL
