"""Bodies of management calls as forms write them."""

from decimal import Decimal

import msgspec
import pytest

from runtime.catalog import entries
from schema.errors.requests import InvalidRequest
from schema.fields import UNSET
from schema.keys import KeyBulkUpdateRequest, KeyGenerateRequest, KeyInfo, KeysDeleted
from schema.lenient import LenientDecoder, echoed
from schema.teams import MemberUpdateRequest
from schema.wire import decode_body, to_json

KEYS = LenientDecoder(KeyGenerateRequest)


def decoded(**fields: object) -> KeyGenerateRequest:
    request = KEYS.decode(msgspec.json.encode(fields))
    assert request is not None
    return request


def test_a_number_may_be_a_text() -> None:
    request = decoded(rpm_limit="3", max_budget="2.5", blocked="true", model_rpm_limit={"gpt": "7"})
    assert (request.rpm_limit, request.max_budget, request.blocked) == (3, Decimal("2.5"), True)
    assert request.model_rpm_limit == {"gpt": 7}
    bulk = LenientDecoder(KeyBulkUpdateRequest).decode(b'{"keys":[{"key":"sk-1","tpm_limit":"9"}]}')
    assert bulk is not None
    assert bulk.keys[0].tpm_limit == 9
    member = LenientDecoder(MemberUpdateRequest).decode(b'{"team_id":"t","user_id":"u","rpm_limit":"9"}')
    assert member is not None
    assert member.rpm_limit == 9


@pytest.mark.parametrize(
    "name", ["max_budget", "soft_budget", "rpm_limit", "temp_budget_expiry", "models", "metadata", "key_type"]
)
def test_an_empty_text_where_none_is_meant_is_null(name: str) -> None:
    request = decoded(**{name: ""})
    assert getattr(request, name) is None
    assert bytes(request.raw[name]) == b"null"


def test_a_text_stays_the_text_that_it_is() -> None:
    request = decoded(key_alias="", user_id="7", rpm_limit="1")
    assert (request.key_alias, request.user_id, request.tpm_limit) == ("", "7", UNSET)


@pytest.mark.parametrize(
    "body", [b'{"rpm_limit":"three"}', b'{"rpm_limit":"3.5"}', b'{"models":"gpt"}', b'{"rpm_limit":', b"[]"]
)
def test_what_is_no_number_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        KEYS.decode(body)


@pytest.mark.parametrize("text", ["null", "NULL", "Null"])
def test_the_word_null_clears_nothing(text: str) -> None:
    assert KEYS.decode(msgspec.json.encode({"max_budget": text})) is None


def test_an_answer_has_what_was_sent_beside_its_own_fields() -> None:
    request = decode_body(
        msgspec.json.Decoder(KeyGenerateRequest),
        b'{"tags":["a"],"duration":"30d","model_rpm_limit":{"g":1},"key_alias":"mine","key":"sk-1","odd":1}',
    )
    answer = KeysDeleted(deleted_keys=["x"])
    assert msgspec.json.decode(to_json(echoed(answer, request))) == {
        "deleted_keys": ["x"], "tags": ["a"], "duration": "30d", "model_rpm_limit": {"g": 1},
        "key_alias": "mine", "key": "sk-1",
    }  # fmt: skip
    own = KeyInfo(key="its own", info=msgspec.UNSET)  # type: ignore[arg-type]
    assert msgspec.json.decode(to_json(echoed(own, request)))["key"] == "its own"


@pytest.mark.parametrize(
    "path",
    ["/key/generate", "/key/service-account/generate", "/key/update", "/team/new", "/team/member_update",
     "/user/new"],
)  # fmt: skip
def test_the_calls_that_make_and_change_echo_what_was_sent(path: str) -> None:
    assert [entry.manifest.echoes for entry in entries() if entry.manifest.path == path] == [True]
