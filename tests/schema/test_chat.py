import json

import msgspec
import pytest

from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest
from schema.wire import decode_body

_CHAT = msgspec.json.Decoder(ChatRequest)
LIMITS = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "n_predict",
    "num_predict",
)


def decode(**fields: object) -> ChatRequest:
    return decode_body(_CHAT, json.dumps({"model": "m", "messages": [], **fields}).encode())


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [0, -1, -2, 2**31, 1.5, "9", [5]])
def test_a_limit_that_limits_nothing_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(**{name: value})
    assert (caught.value.http_status, caught.value.param) == (400, name)
    assert name in caught.value.message


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_of_one_and_none_at_all_are_taken(name: str) -> None:
    assert getattr(decode(**{name: 1}), name) == 1
    assert getattr(decode(**{name: None}), name) is None
