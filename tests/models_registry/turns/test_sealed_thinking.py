"""Sealed thinking comes back as it was, and nothing else does."""

import zlib
from base64 import urlsafe_b64encode

from hypothesis import given
from hypothesis import strategies as st

from models_registry.turns import sealed_thinking
from models_registry.turns.sealed_thinking import SEAL, sealed, unsealed
from schema.chat import ThinkingBlock

BLOCKS = st.builds(ThinkingBlock, kind=st.text(max_size=9), thinking=st.text(), signature=st.text())


@given(BLOCKS)
def test_a_block_comes_back(block: ThinkingBlock) -> None:
    assert unsealed(sealed(block)) == block


@given(st.one_of(st.text(), st.text(alphabet="abcXYZ019-_=").map(lambda text: SEAL + text)))
def test_any_other_text_is_none(text: str) -> None:
    assert unsealed(text) is None


@given(BLOCKS, st.integers(0, 60))
def test_a_text_that_was_cut_is_none(block: ThinkingBlock, size: int) -> None:
    text = sealed(block)
    assert size >= len(text) or unsealed(text[:size]) is None


def test_a_text_that_unfolds_to_too_much_is_none() -> None:
    most = sealed_thinking.MAX_UNSEALED_BYTES
    bomb = zlib.compress(b'{"kind":"' + b"a" * (most + 10) + b'"}')
    assert unsealed(SEAL + urlsafe_b64encode(bomb).decode()) is None
