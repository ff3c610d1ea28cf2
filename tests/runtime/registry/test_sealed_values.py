"""The values of stored models, sealed one by one."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.registry.sealed_values import PLAIN, open_values, seal_values
from runtime.state.sealing import Sealer
from schema.secret import Secret

SEALER = Sealer(Secret("a-salt-key-of-the-tests"))
PLACE: Any = {"table": "T", "row": "1"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=20), json_values, max_size=5))
def test_what_was_sealed_is_opened_as_it_was(values: dict[str, Any]) -> None:
    assert open_values(seal_values(values, SEALER, **PLACE), SEALER, **PLACE) == (values, frozenset(), "")


def test_everything_is_sealed_but_a_few_names() -> None:
    values = {"model": "openai/x", "api_key": "s1", "x-new": "s2", "headers": {"a": "s3"}, "n": 42}
    sealed = seal_values(values, SEALER, **PLACE)
    assert sealed["model"] == "openai/x"
    for name in values.keys() - PLAIN:
        assert str(sealed[name]).startswith(f"sealed:{SEALER.id}:")


def test_a_value_that_was_moved_or_changed_is_not_opened() -> None:
    sealed = seal_values({"api_key": "secret", "client_secret": "other"}, SEALER, **PLACE)
    for values, place in (
        (sealed, {"table": "T", "row": "2"}),
        (sealed, {"table": "U", "row": "1"}),
        ({"api_key": sealed["client_secret"]}, PLACE),
        ({"api_key": f"{sealed['api_key'][:-4]}AAAA"}, PLACE),
        ({"api_key": "sealed:"}, PLACE),
        ({"api_key": "sealed:x:y"}, PLACE),
    ):
        opened = open_values({**values, "model": "openai/x"}, SEALER, **place)
        assert opened.values == {"model": "openai/x"}, "the others are there"
        assert opened.unread == values.keys()
        assert opened.flaw
        assert "secret" not in opened.flaw.replace("client_secret", "")


def test_another_salt_key_and_none_are_told_apart() -> None:
    sealed = seal_values({"api_key": "secret"}, SEALER, **PLACE)
    other = Sealer(Secret("another-salt-key-of-tests"))
    assert re.search(f"{SEALER.id}.*{other.id}", open_values(sealed, other, **PLACE).flaw)
    assert open_values(sealed, None, **PLACE).flaw.endswith("has none")
    by_sql = {"api_base": "http://by-sql/v1"}
    assert open_values(by_sql, None, **PLACE) == (by_sql, frozenset(), "")
