"""How the door reads headers."""

from runtime.signin.site import cookies_in
from runtime.web.door import _headers


def test_headers_that_come_twice_are_joined_and_cookies_as_browsers_part_them() -> None:
    headers = _headers([(b"x-a", b"1"), (b"cookie", b"a=1,2"), (b"x-a", b"2"), (b"cookie", b"b=3")])
    assert headers["x-a"] == "1,2"
    assert cookies_in(headers["cookie"]) == {"a": "1,2", "b": "3"}
