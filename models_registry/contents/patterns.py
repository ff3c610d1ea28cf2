"""What rules look for in texts: e-mail addresses, IBANs, card numbers, and patterns of one's own.

Nothing here can be made slow by a text. Patterns run in RE2, whose time grows with the text and not with the
pattern (google-re2, kept by RE2's authors; it has no types). Of one request so many candidates are
looked at, for all rules together; a text with more of them counts as one that has what is looked for.
"""

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

MAX_PATTERN_CHARS = 2_000
MAX_PATTERN_MEMORY = 8 * 1024 * 1024
MAX_CANDIDATES = 10_000
EMAIL = r"[\pL\pN._%+'-]+@[\pL\pN](?:[\pL\pN.-]*[\pL\pN])?\.\pL{2,24}"
IBAN_CHARS: Mapping[str, int] = MappingProxyType(
    {
        "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29,
        "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
        "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
        "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
        "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
        "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
        "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25,
        "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    }
)  # fmt: skip
"""How long an IBAN of each country is (the registry of SWIFT)."""
_GAP = r"[ \t\r\n./\x{a0}\x{2010}-\x{2014}-]"
MAYBE_IBANS = rf"(?i)[a-z]{{2}}[0-9]{{2}}(?:{_GAP}?[a-z0-9]){{11,}}"
MAYBE_CARDS = rf"[0-9](?:{_GAP}{{0,2}}[0-9]){{12,}}"
"""Where in a text it is worth looking for one. RE2 goes through a megabyte in milliseconds."""
_IBAN_BEGINS = re.compile(r"(?i)[a-z]{2}[0-9]{2}")
_GROUPS = re.compile(r"[0-9]+")
_SEPARATORS = frozenset(" -./\t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014")
_CARD = re.compile(r"(?:4|5[0-9]|6|2[2-7]|3[0-9])[0-9]+")
MIN_CARD, MAX_CARD = 13, 19
_TWICE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_FORMAT = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees: soft hyphens, marks of direction, blanks without a width (Unicode's
Default_Ignorable_Code_Point)."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MARKED_DIGIT = re.compile(r"(?<=[0-9])[\u0300-\u036f\u20d0-\u20ff]+")
"""Marks over and around a digit, such as the frame of a key."""
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_ESCAPED = re.compile(r"\\u00([2-7][0-9a-fA-F])")


class Span(NamedTuple):
    """Where something stands in a text."""

    start: int
    end: int


class TooMany(Exception):
    """A text has more candidates than are ever looked at."""


class BadPattern(Exception):
    """A pattern that can't be used. The message says why."""


class Effort:
    """How many candidates of one request may still be looked at."""

    __slots__ = ("_left",)

    def __init__(self, most: int = MAX_CANDIDATES) -> None:
        self._left = most

    def spend(self) -> None:
        """Look at one more. Raises TooMany."""
        self._left -= 1
        if self._left < 0:
            raise TooMany


Finder = Callable[[str, Effort], Iterator[Span]]
"""Finds something in a text that was put right (`plain`). Raises TooMany."""


def plain(text: str) -> str:
    """The text as a reader sees it: without characters that nobody sees, with ordinary letters and digits in
    place of other forms of them, and with the letters that JSON escapes inside of a string."""
    if not text.isprintable():
        text = _CONTROL.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _FORMAT.sub("", text))
        text = _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
        text = _MARKED_DIGIT.sub("", text)
    return _ESCAPED.sub(_letter, text) if "\\u00" in text else text


def _letter(found: re.Match[str]) -> str:
    letter = chr(int(found[1], 16))
    return found[0] if letter in '"\\' or not letter.isprintable() else letter


def pattern(text: str, *, ignore_case: bool = False) -> Finder:
    """The finder of a pattern in RE2's words. Raises BadPattern."""
    import re2  # 15 ms, for those who have rules

    if not 0 < len(text) <= MAX_PATTERN_CHARS:
        raise BadPattern(f"expected 1 to {MAX_PATTERN_CHARS} characters")
    options = re2.Options()
    options.max_mem, options.log_errors, options.case_sensitive = MAX_PATTERN_MEMORY, False, not ignore_case
    try:
        made: Any = re2.compile(text, options=options)
    except re2.error as exc:
        why = exc.args[0] if exc.args else ""
        raise BadPattern(why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)) from exc
    if made.search("") is not None:
        raise BadPattern("it fits an empty text")

    def find(within: str, effort: Effort) -> Iterator[Span]:
        for found in made.finditer(within):
            effort.spend()
            if found.end() > found.start():
                yield Span(found.start(), found.end())

    return find


def emails() -> Finder:
    """The finder of e-mail addresses."""
    found = pattern(EMAIL)

    def find(within: str, effort: Effort) -> Iterator[Span]:
        if "@" in within:
            yield from found(within, effort)

    return find


def _where(maybe: str, inside: Finder) -> Finder:
    """The finder that looks closer at the places which a pattern finds."""
    places = pattern(maybe)

    def find(within: str, effort: Effort) -> Iterator[Span]:
        for place in places(within, effort):
            for span in inside(within[place.start : place.end], effort):
                yield Span(place.start + span.start, place.start + span.end)

    return find


def ibans() -> Finder:
    """The finder of IBANs whose length and checksum are right, in one piece or in groups."""
    return _where(MAYBE_IBANS, _ibans)


def cards() -> Finder:
    """The finder of card numbers whose checksum is right, in one piece or in groups."""
    return _where(MAYBE_CARDS, _cards)


def _ibans(within: str, effort: Effort) -> Iterator[Span]:
    end = 0
    for begin in _IBAN_BEGINS.finditer(within):
        wanted = IBAN_CHARS.get(within[begin.start() : begin.start() + 2].upper())
        if wanted is None or begin.start() < end:
            continue
        effort.spend()
        letters: list[str] = []
        at = begin.start()
        while at < len(within) and len(letters) < wanted:
            letter = within[at]
            if letter.isascii() and letter.isalnum():
                letters.append(letter.upper())
            elif letter not in _SEPARATORS or within[at - 1] in _SEPARATORS:
                break
            at += 1
        if len(letters) == wanted and _is_iban("".join(letters)):
            end = at
            yield Span(begin.start(), at)


def _is_iban(text: str) -> bool:
    turned = text[4:] + text[:4]  # ISO 13616: the letters are numbers from 10 on
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _cards(within: str, effort: Effort) -> Iterator[Span]:
    coming = _GROUPS.finditer(within)
    groups: deque[tuple[int, int]] = deque()
    while True:
        groups.extend(found.span() for found in islice(coming, MAX_CARD - len(groups)))
        if not groups:
            return
        effort.spend()
        begun, digits, used = groups[0][0], "", 0
        for place, (begin, end) in enumerate(groups):
            if place and not _touches(within, groups[place - 1][1], begin):
                break
            digits += within[begin:end]
            if len(digits) > MAX_CARD:
                break
            if len(digits) >= MIN_CARD and _CARD.fullmatch(digits) and _is_card(digits):
                used = place + 1
                yield Span(begun, end)
                break
        for _ in range(used or 1):
            groups.popleft()


def _touches(within: str, end: int, begin: int) -> bool:
    return begin - end <= 2 and all(letter in _SEPARATORS for letter in within[end:begin])


def _is_card(digits: str) -> bool:
    """Luhn's checksum (ISO 7812)."""
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_TWICE[number] for number in numbers[1::2])) % 10 == 0


FINDERS: Mapping[str, Callable[[], Finder]] = MappingProxyType(
    {"email": emails, "iban": ibans, "card": cards}
)
"""What a rule can look for by name."""
