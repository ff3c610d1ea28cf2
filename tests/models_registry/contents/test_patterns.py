"""What rules find in texts, and how long they look."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.contents.patterns import (
    MAX_CANDIDATES,
    BadPattern,
    Effort,
    Finder,
    TooMany,
    cards,
    emails,
    ibans,
    pattern,
    plain,
)

CARDS, EMAILS, IBANS = cards(), emails(), ibans()


def found(finder: Finder, text: str) -> list[str]:
    text = plain(text)
    return [text[span.start : span.end] for span in finder(text, Effort())]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4111111111111111", "4111111111111111"),
        ("card: 4111 1111 1111 1111, 12/29", "4111 1111 1111 1111"),
        ("4111-1111-1111-1111 123", "4111-1111-1111-1111"),
        ("378282246310005", "378282246310005"),
        ("5555.5555.5555.4444", "5555.5555.5555.4444"),
        ("x4111111111111111y", "4111111111111111"),
        ("1 4111 1111 1111 1111", "4111 1111 1111 1111"),
        (
            "\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11",
            "4111111111111111",
        ),
        (
            "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661",
            "4111111111111111",
        ),
        ("4111\u200b1111\u200b1111\u200b1111", "4111111111111111"),
        ("4111\u2066 1111\u2069 1111 1111", "4111 1111 1111 1111"),
        ("4111\u034f1111\u061c1111\U000e00201111", "4111111111111111"),
        ("4111\x00\x1f 1111 1111 1111", "4111 1111 1111 1111"),
        ("4111 1111\r\n1111 1111", "4111 1111\r\n1111 1111"),
        ("4\ufe0f\u20e3111 1\u0301111 1111 1111", "4111 1111 1111 1111"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        (r'{"n":"\u0034111111111111111"}', "4111111111111111"),
    ],
)
def test_card_numbers_are_found_however_they_are_written(text: str, number: str) -> None:
    assert found(CARDS, text) == [number]


@pytest.mark.parametrize(
    "text",
    ["4111111111111112", "41111111", "1234567890123456", "41111111111111111111111111", "", "4111 1111"],
)
def test_other_numbers_are_no_card_numbers(text: str) -> None:
    assert found(CARDS, text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("DE89370400440532013000", "DE89370400440532013000"),
        ("pay DE89 3704 0044 0532 0130 00 today", "DE89 3704 0044 0532 0130 00"),
        ("gb82 west 1234 5698 7654 32", "gb82 west 1234 5698 7654 32"),
        ("IBANDE89370400440532013000", "DE89370400440532013000"),
        ("NO9386011117947", "NO9386011117947"),
    ],
)
def test_ibans_are_found_in_one_piece_or_in_groups(text: str, number: str) -> None:
    assert found(IBANS, text) == [number]


def test_two_ibans_in_a_row_are_two() -> None:
    assert found(IBANS, "DE89370400440532013000 GB82WEST12345698765432") == [
        "DE89370400440532013000",
        "GB82WEST12345698765432",
    ]
    assert found(IBANS, "DE88370400440532013000 XX82WEST12345698765432") == []


@pytest.mark.parametrize(
    "text",
    ["ada@example.org", "mailto:ada@example.org?x", "Ada <ada.l+x@mail.example.co.uk>", "jürgen@bücher.de"],
)
def test_mail_addresses_are_found(text: str) -> None:
    assert len(found(EMAILS, text)) == 1


@pytest.mark.parametrize("text", ["a @ b.c", "@decorator", "x@localhost", "10@5.00"])
def test_other_ats_are_no_addresses(text: str) -> None:
    assert found(EMAILS, text) == []


@given(before=st.text("abc ,\n", max_size=5), after=st.text("abc ,\n", max_size=5), cut=st.integers(0, 15))
def test_a_number_is_found_between_any_words_with_any_blank_in_it(before: str, after: str, cut: int) -> None:
    number = "4111111111111111"
    written = f"{number[:cut]} {number[cut:]}" if cut else number
    assert found(CARDS, f"{before}{written}{after}") == [written]


@pytest.mark.parametrize("text", ["(?=a)b", "(a", r"(a)\1", "((a{100}){100}){100}", "", "a*", "x" * 3000])
def test_a_pattern_that_can_not_be_used_says_why(text: str) -> None:
    with pytest.raises(BadPattern, match=r"\w"):
        pattern(text)


@pytest.mark.parametrize("text", ["(a+)+b", "(a|aa)+$x", r"^(\w+\s?)*\$$", "(.*.*.*.*.*)z"])
def test_no_pattern_is_slow(text: str) -> None:
    finder = pattern(text)
    began = time.perf_counter()
    assert list(finder("a" * 300_000, Effort())) == []
    assert time.perf_counter() - began < 2.0


@pytest.mark.parametrize("text", ["4 1 " * 100_000, "4111 1111 1111 1112 " * 20_000, "DE89 3704 " * 50_000])
def test_a_text_of_candidates_alone_is_not_looked_at_for_long(text: str) -> None:
    began = time.perf_counter()
    for finder in (CARDS, IBANS, EMAILS):
        with contextlib.suppress(TooMany):
            list(finder(text, Effort()))
    assert time.perf_counter() - began < 3.0
    assert MAX_CANDIDATES < 100_000
