"""Which form of an answer a client gets, by its `Accept-Encoding`."""

import pytest

from runtime.web.codings import codings_taken


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip, deflate, br", ("br", "gzip")),
        ("gzip", ("gzip",)),
        ("GZIP;q=0.8, *;q=0", ("gzip",)),
        ("br;q=1.0, gzip;q=0.001", ("br", "gzip")),
        ("br ; q=1 ; x=2, gzip\t;\tQ=1.000", ("br", "gzip")),
        ("*", ("br", "gzip")),
        ("br;q=0, *;q=0.1", ("gzip",)),
        ("", ()),
        ("identity", ()),
        ("x-gzip, zstd", ()),
        ("gzip;q=0", ()),
        ("gzip;Q=0", ()),
        ("br;Q=0.000, gzip; Q=0.0", ()),
        ("gzip;q = 0", ()),
        ("gzip;q=0.", ()),
        ("gzip, gzip;q=0", ()),
        ("gzip;x=1;q=0", ()),
        ("*;q=0", ()),
        ("gzip;q=, br;q=nan", ()),
        ("gzip;q=-1, br;q=1e3", ()),
        (",;,;q=1,", ()),
    ],
)
def test_a_client_gets_the_codings_that_it_takes_and_no_others(accepted: str, taken: tuple[str, ...]) -> None:
    assert codings_taken(accepted, ("br", "gzip")) == taken
