"""What a request's tags say about deployments, in LiteLLM's words. Pure.

paid            a deployment with this tag (with one of them, or with all: `tag_filtering_match_any`)
!provider:x     none with this tag
!region:(a|b)   none with one of these
&paid           one with this tag, whatever else is asked for
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

import msgspec

NOT, ALSO = "!", "&"
MAX_ALTERNATIVES = 100
_NOT_PLAIN = frozenset("()|[]{}*+?^$\\")
"""Characters that have a meaning in LiteLLM's patterns."""


class TagWish(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of a request, by what they ask for."""

    some: frozenset[str] = frozenset()
    all: frozenset[str] = frozenset()
    none: frozenset[str] = frozenset()
    is_unclear: bool = False
    """Whether a tag that is not wanted is a pattern which is not understood here. No deployment fits then:
    one of them may be meant."""

    def permits(self, tags: frozenset[str]) -> bool:
        return not self.none & tags and self.all <= tags

    def likes(self, tags: frozenset[str], *, any_tag: bool) -> bool:
        return bool(tags) and (bool(tags & self.some) if any_tag else self.some <= tags)


@lru_cache(maxsize=1024)
def wish_of(tags: tuple[str, ...]) -> TagWish:
    """What these tags ask for. A mark alone is a tag like any other."""
    some, also, none = set[str](), set[str](), set[str]()
    unclear = False
    for tag in tags:
        mark, rest = tag[:1], tag[1:]
        if mark == NOT and rest:
            found = _alternatives(rest)
            unclear = unclear or found is None
            none |= found or set()
        elif mark == ALSO and rest:
            also.add(rest)
        else:
            some.add(tag)
    return TagWish(some=frozenset(some), all=frozenset(also), none=frozenset(none), is_unclear=unclear)


def _alternatives(pattern: str) -> set[str] | None:
    """The tags that a pattern with groups such as `(a|b)` stands for. None: it is another pattern, or stands
    for too many. No pattern of a caller is ever run: one can be made that runs for minutes."""
    parts = list(_parts(pattern))
    many = 1
    for part in parts:
        many *= len(part)
        if many > MAX_ALTERNATIVES or any(_NOT_PLAIN & set(word) for word in part):
            return None
    return {"".join(words) for words in product(*parts)}


def _parts(pattern: str) -> Iterator[list[str]]:
    """The text before each group, and the words in it."""
    while pattern:
        before, bracket, rest = pattern.partition("(")
        yield [before]
        if not bracket:
            return
        inside, closing, pattern = rest.partition(")")
        yield inside.split("|") if closing else ["("]
