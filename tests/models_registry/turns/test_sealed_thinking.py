"""Sealed thinking comes back as it was, and nothing else does."""

import zlib
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.turns import sealed_thinking
from models_registry.turns.sealed_thinking import SEAL, TooMuchThinking, Unsealing, sealed
from schema.chat import ThinkingBlock

BLOCKS = st.builds(ThinkingBlock, kind=st.text(max_size=9), thinking=st.text(), signature=st.text())


def unsealed(text: str) -> ThinkingBlock | None:
    return Unsealing().block_of(text)


def packed(json: bytes) -> str:
    return SEAL + urlsafe_b64encode(zlib.compress(json)).decode()


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


def test_a_text_that_unfolds_to_too_much_is_refused() -> None:
    most = sealed_thinking.MAX_UNSEALED_BYTES
    with pytest.raises(TooMuchThinking):
        unsealed(packed(b'{"kind":"' + b"a" * (most + 10) + b'"}'))


def test_texts_that_unfold_to_too_much_together_are_refused() -> None:
    part = sealed_thinking.MAX_UNSEALED_BYTES // 2
    unsealing, text = Unsealing(), sealed(ThinkingBlock(kind="thinking", thinking="a" * (part - 100)))
    assert unsealing.block_of(text) == unsealing.block_of(text)
    with pytest.raises(TooMuchThinking):
        unsealing.block_of(text)


def test_a_text_of_json_that_is_too_deep_is_none() -> None:
    assert unsealed(packed(b'{"type":"thinking","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")) is None
