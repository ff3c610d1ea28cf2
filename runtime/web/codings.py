"""Which codings of an answer a client takes, by its `Accept-Encoding`.

The rules are those of https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3: names of codings and of the
parameter `q` are the same in capitals, a weight of zero means "not this one", and `*` stands for every coding
that is not named. A client that sends no such header gets the plain form.
"""

import re
from collections.abc import Sequence

WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
OTHERS = "*"


def codings_taken(accepted: str, offered: Sequence[str]) -> tuple[str, ...]:
    """Those of the offered codings (such as `br` and `gzip`) that the client takes, in the order offered. A
    coding that is named twice is taken where each of its weights says so. A weight that can't be read counts
    as zero: the plain form suits every client."""
    takes: dict[str, bool] = {}
    for part in accepted.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        takes[name] = takes.get(name, True) and all(map(_is_wanted, parameters))
    return tuple(coding for coding in offered if takes.get(coding, takes.get(OTHERS, False)))


def _is_wanted(parameter: str) -> bool:
    name, _, value = (each.strip() for each in parameter.partition("="))
    return name != "q" or (WEIGHT.fullmatch(value) is not None and float(value) > 0)
