"""Sealed values: who opens them, and who does not."""

import pytest

from runtime.state.sealing import NONCE_BYTES, CantOpen, Sealer
from schema.secret import Secret

SEALER = Sealer(Secret("sk-a-salt-key-of-some-length"))
PLACE = {"kind": "response", "owner": "key-1", "id": "resp_1"}


def test_a_value_comes_back_and_can_not_be_read_on_the_way() -> None:
    sealed = SEALER.seal(b"a prompt", **PLACE)
    assert SEALER.open(sealed, **PLACE) == b"a prompt"
    assert b"prompt" not in sealed
    assert SEALER.seal(b"a prompt", **PLACE) != sealed


@pytest.mark.parametrize(
    "moved",
    [
        {"owner": "key-2"},
        {"id": "resp_2"},
        {"kind": "other"},
        {"owner": "key-1resp", "id": "_1"},
        {"owner": "", "id": "key-1resp_1"},
    ],
)
def test_a_value_that_was_moved_can_not_be_opened(moved: dict[str, str]) -> None:
    with pytest.raises(CantOpen):
        SEALER.open(SEALER.seal(b"x", **PLACE), **{**PLACE, **moved})


def test_a_value_that_was_changed_can_not_be_opened() -> None:
    sealed = bytearray(SEALER.seal(b"a prompt", **PLACE))
    for place in (0, NONCE_BYTES, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CantOpen):
            SEALER.open(bytes(changed), **PLACE)
    for cut in (0, 5, NONCE_BYTES, len(sealed) - 1):
        with pytest.raises(CantOpen):
            SEALER.open(bytes(sealed[:cut]), **PLACE)


def test_another_salt_key_opens_nothing_and_has_another_name() -> None:
    other = Sealer(Secret("sk-another-salt-key-of-length"))
    with pytest.raises(CantOpen):
        other.open(SEALER.seal(b"x", **PLACE), **PLACE)
    assert other.id != SEALER.id
    assert Sealer(Secret("sk-a-salt-key-of-some-length")).id == SEALER.id
