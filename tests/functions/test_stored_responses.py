"""Responses that are stored: conversations that go on at any upstream, who sees them, and what is said where
nothing is stored."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from functions import responses as functions
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER
from functions.ports.context import StateContext
from functions.responses import responses
from functions.rules import conversations
from schema.errors.models import NotLocal
from schema.errors.overload import DatabaseUnavailable
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from schema.responses import InputItemsQuery, Response, ResponseNamed, ResponseQuery
from tests.fakes import responses_answers, thinking_answers
from tests.fakes.state import FakeState
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import CONFIG, MEMBER, make_call, model_ctx
from tests.functions.test_responses import STREAMS, TEXT, WHOLE, ask, sent, streamed
from tests.functions.test_responses_native import CONFIG as NATIVE

HOUSE = {
    "model_name": "house",
    "litellm_params": {"model": "ollama/mistral", "api_base": "http://ollama:11434"},
}
ALL = {
    "model_list": [*CONFIG["model_list"], *NATIVE["model_list"], HOUSE],
    "router_settings": {"num_retries": 0},
}
BODIES = {**WHOLE, "native": responses_answers.body()}
CHUNKS = {**STREAMS, "native": responses_answers.sse(responses_answers.events())}
STRANGER = Caller(role=INTERNAL_USER, key_hash="b" * 8, user_id="ada")


class Talk:
    """One caller and the state that is kept."""

    def __init__(
        self,
        caller: Caller = MEMBER,
        state: FakeState | None = None,
        *,
        stays_local: str = "",
        **policy: Any,
    ) -> None:
        self.caller = caller
        self.stays_local = stays_local
        self.state = FakeState() if state is None else state
        self.policy = Policy(**policy)
        self.upstream = FakeUpstream()
        self.chunks: list[bytes] = []
        """The stream that the next upstream sends. Empty: its usual one."""
        self.told_stored: list[bool] = []
        """What the events of the latest stream said of `store`."""
        self._calls = 0

    def say(
        self, model: str, *, stream: bool = False, answer: bytes | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Ask, and give the response as the client got it."""
        self._calls += 1
        told = Answer(chunks=self.chunks or CHUNKS[model]) if stream else Answer(body=answer or BODIES[model])
        self.upstream = FakeUpstream(told)
        ctx = model_ctx(
            self.upstream,
            caller=self.caller,
            state=self.state,
            policy=self.policy,
            config=ALL,
            request_id=f"0190-call-{id(self)}-{self._calls}",
            stays_local=self.stays_local,
        )
        if stream:
            events = asyncio.run(streamed(ctx, model=model, **fields))
            self.told_stored = [event["response"]["store"] for event in events if "response" in event]
            found: dict[str, Any] = events[-1]["response"]
            return found
        whole = asyncio.run(responses(ask(model=model, **fields), ctx))
        assert isinstance(whole, Response)
        shown: dict[str, Any] = json.loads(whole.wire or msgspec.json.encode(whole))
        return shown

    @property
    def ctx(self) -> StateContext:
        return StateContext(call=make_call(self.caller), state=self.state)

    def show(self, id: str, **query: Any) -> dict[str, Any]:
        shown = asyncio.run(functions.retrieve(ResponseQuery(response_id=id, **query), self.ctx))
        found: dict[str, Any] = json.loads(shown.wire)
        return found

    def items(self, id: str, **query: Any) -> dict[str, Any]:
        listed = asyncio.run(functions.input_items(InputItemsQuery(response_id=id, **query), self.ctx))
        found: dict[str, Any] = json.loads(msgspec.json.encode(listed))
        return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("second", BODIES)
@pytest.mark.parametrize("first", BODIES)
def test_a_conversation_goes_on_at_any_upstream(first: str, second: str, stream: bool) -> None:
    talk = Talk()
    one = talk.say(first, input="Who carries the load?", instructions="Be brief.", stream=stream)
    assert (one["store"], one.get("previous_response_id")) == (True, None)
    assert set(talk.told_stored) == ({True} if stream else set())
    two = talk.say(second, input="And then?", previous_response_id=one["id"], stream=stream)
    assert two["previous_response_id"] == one["id"]
    body = sent(talk.upstream)
    text = json.dumps(body, ensure_ascii=False)
    assert "previous_response_id" not in body
    assert "Be brief." not in text, "instructions do not go on"
    assert text.index("Who carries the load?") < text.index(TEXT) < text.index("And then?")
    if second == "native":
        assert body["store"] is False
        assert [item.get("id") for item in body["input"]] == [None, None, None]
    three = talk.say(first, input="Well?", previous_response_id=two["id"], stream=stream)
    assert json.dumps(sent(talk.upstream)).count("load") == 3
    assert talk.show(three["id"]) == three


def test_what_is_shown_is_what_was_sent() -> None:
    talk = Talk()
    one = talk.say("claude", input="Hi", metadata={"a": "b"}, store=True)
    assert (one["store"], one["metadata"]) == (True, {"a": "b"})
    assert talk.show(one["id"]) == one
    with pytest.raises(UnsupportedParameter) as refused:
        talk.show(one["id"], stream=True)
    assert refused.value.param == "stream"
    with pytest.raises(InvalidRequest, match="synchronous"):
        asyncio.run(functions.cancel(ResponseNamed(response_id=one["id"]), talk.ctx))
    gone = asyncio.run(functions.delete(ResponseNamed(response_id=one["id"]), talk.ctx))
    assert (gone.id, gone.object, gone.deleted) == (one["id"], "response", True)
    with pytest.raises(NotFound):
        talk.show(one["id"])


def test_the_items_before_a_response() -> None:
    talk = Talk()
    one = talk.say("claude", input="Hi")
    two = talk.say("claude", input=[{"role": "user", "content": "And?"}], previous_response_id=one["id"])
    whole = talk.items(two["id"], order="asc")
    assert [(item["role"], item["content"][0]["text"]) for item in whole["data"]] == [
        ("user", "Hi"),
        ("assistant", TEXT),
        ("user", "And?"),
    ]
    assert {(item["type"], item["status"]) for item in whole["data"]} == {("message", "completed")}
    ids = [item["id"] for item in whole["data"]]
    assert len(set(ids)) == 3
    assert (whole["first_id"], whole["last_id"], whole["has_more"]) == (ids[0], ids[2], False)
    latest = talk.items(two["id"], limit=2)
    assert ([item["id"] for item in latest["data"]], latest["has_more"]) == ([ids[2], ids[1]], True)
    rest = talk.items(two["id"], after=ids[1])
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    with pytest.raises(InvalidRequest):
        talk.items(two["id"], after="msg_nobody")


def test_nobody_else_finds_a_response() -> None:
    talk = Talk()
    id = talk.say("gpt")["id"]
    other = Talk(STRANGER, talk.state)
    for attempt in (
        lambda: other.show(id),
        lambda: other.items(id),
        lambda: asyncio.run(functions.delete(ResponseNamed(response_id=id), other.ctx)),
        lambda: asyncio.run(functions.cancel(ResponseNamed(response_id=id), other.ctx)),
    ):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(InvalidRequest) as refused:
        other.say("gpt", previous_response_id=id)
    assert (refused.value.code, refused.value.param) == (
        "previous_response_not_found",
        "previous_response_id",
    )
    assert not other.upstream.requests
    assert talk.show(id)["id"] == id


def test_a_key_that_was_replaced_still_finds_its_responses() -> None:
    talk = Talk(msgspec.structs.replace(MEMBER, key_id="k1"))
    id = talk.say("gpt")["id"]
    replaced = Talk(msgspec.structs.replace(MEMBER, key_id="k1", key_hash="c" * 8), talk.state)
    assert replaced.show(id)["id"] == id


@pytest.mark.parametrize("model", BODIES)
@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (lambda: Talk(state=FakeState(is_open=False)), "salt key"),
        (lambda: Talk(stores_responses=False), "not stored"),
        (lambda: Talk(msgspec.structs.replace(MEMBER, stores_responses=False)), "not stored"),
    ],
)
def test_where_nothing_is_stored_it_is_said(talk: Any, why: str, model: str) -> None:
    here: Talk = talk()
    assert here.say(model)["store"] is False
    assert here.say(model, stream=True)["store"] is False
    assert not here.state.values
    for fields in ({"store": True}, {"previous_response_id": "resp_1"}):
        with pytest.raises(UnsupportedParameter, match=why) as refused:
            here.say(model, **fields)
        assert refused.value.param == next(iter(fields))
    with pytest.raises(NotFound):
        here.show("resp_1")


def test_a_team_may_store_where_the_config_does_not() -> None:
    talk = Talk(msgspec.structs.replace(MEMBER, stores_responses=True), stores_responses=False)
    assert talk.show(talk.say("gpt")["id"])["store"] is True


def test_store_false_keeps_nothing_and_may_go_on() -> None:
    talk = Talk()
    one = talk.say("gpt")
    two = talk.say("gpt", store=False, previous_response_id=one["id"], input="And?")
    assert two["store"] is False
    assert len(sent(talk.upstream)["messages"]) == 3
    with pytest.raises(NotFound):
        talk.show(two["id"])


def test_thinking_goes_back_to_its_provider_and_to_no_other() -> None:
    content = [thinking_answers.THINKING, thinking_answers.REDACTED, thinking_answers.ANSWER]
    talk = Talk()
    one = talk.say("claude", answer=thinking_answers.message("claude", content))
    talk.say("claude", previous_response_id=one["id"], input="And?")
    assert sent(talk.upstream)["messages"][1]["content"] == content
    talk.say("native", previous_response_id=one["id"], input="And?")
    assert [item["type"] for item in sent(talk.upstream)["input"]] == ["message"] * 3
    talk.say("gpt", previous_response_id=one["id"], input="And?")
    assert "Rvc" not in json.dumps(sent(talk.upstream))


def test_a_history_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    one = talk.say("gpt", input="x" * 500)
    monkeypatch.setattr(conversations, "MAX_HISTORY_BYTES", 400)
    with pytest.raises(InvalidRequest, match="more than 400 bytes"):
        talk.say("gpt", previous_response_id=one["id"])
    with pytest.raises(InvalidRequest, match="store: false"):
        talk.say("gpt", input="x" * 500, store=True)
    assert talk.say("gpt", input="x" * 500)["store"] is False


def test_a_history_of_too_many_items_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    talk, said = Talk(), {"role": "user", "content": "x"}
    one = talk.say("gpt", input=[said] * 4)
    monkeypatch.setattr(conversations, "MAX_HISTORY_ITEMS", 6)
    assert talk.say("gpt", previous_response_id=one["id"])["store"] is True, "4 items, the answer, and a text"
    with pytest.raises(InvalidRequest, match="more than 6 items"):
        talk.say("gpt", previous_response_id=one["id"], input=[said] * 2)
    with pytest.raises(InvalidRequest, match="store: false"):
        talk.say("gpt", input=[said] * 7, store=True)
    assert talk.say("gpt", input=[said] * 7)["store"] is False


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_can_not_be_stored_says_so(stream: bool) -> None:
    talk = Talk()
    talk.state.refuses = DatabaseUnavailable("away")
    assert talk.say("claude", stream=stream)["store"] is False
    assert talk.told_stored == ([True, True, False] if stream else []), "the first events could not know"
    assert not talk.state.values


def test_the_history_counts_in_the_bounds_of_a_call() -> None:
    talk = Talk()
    one = talk.say("native", input="x" * 3000)
    before = conversations.stored_of(talk.state.values["response", MEMBER.key_hash, one["id"]])
    asked = conversations.going_on(ask(model="native", previous_response_id=one["id"]), before)
    assert len(bytes(asked.raw["input"])) > 3000


@pytest.mark.parametrize(
    "changed",
    [{"id": ""}, {"id": None}, {"id": "x" * 600}],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_odd_response_of_a_server_is_passed_on_and_not_stored(
    changed: dict[str, Any], stream: bool
) -> None:
    talk = Talk()
    talk.chunks = responses_answers.sse(responses_answers.events(**changed))
    answer = talk.say("native", stream=stream, answer=responses_answers.body(**changed))
    assert answer["store"] is False
    assert not talk.state.values


def test_an_event_within_which_something_is_called_response_passes_as_it_came() -> None:
    talk, told = Talk(), responses_answers.events()
    found = {"type": "file_search_call", "results": [{"attributes": {"response": 1}}]}
    told.insert(2, {"type": "response.output_item.done", "output_index": 0, "item": found})
    talk.chunks = responses_answers.sse(told)
    answer = talk.say("native", stream=True)
    assert talk.show(answer["id"])["store"] is True


def test_an_event_of_several_lines_is_stored_and_told_in_one() -> None:
    talk = Talk()
    told = responses_answers.events()
    talk.chunks = responses_answers.sse(told)
    lines = json.dumps(told[-1], indent=1).splitlines()
    talk.chunks[-1] = "".join(f"data: {line}\n" for line in lines).encode() + b"\n"
    answer = talk.say("native", stream=True)
    assert (answer["status"], answer["store"]) == ("completed", True)
    assert talk.show(answer["id"]) == answer


def test_a_response_that_ends_without_its_items_is_stored_with_those_of_the_stream() -> None:
    """Servers that leave `output` empty in their last event tell each item as it is done."""
    talk, told = Talk(), responses_answers.events()
    items = told[-1]["response"]["output"]
    assert [each["item"] for each in told if each["type"] == "response.output_item.done"] == items
    told[-1]["response"]["output"] = []
    talk.chunks = responses_answers.sse(told)
    answer = talk.say("native", input="Who carries the load?", stream=True)
    assert answer["output"] == items
    assert talk.show(answer["id"])["output"] == items
    talk.chunks = []
    talk.say("native", input="And then?", previous_response_id=answer["id"])
    assert items[0]["content"] in [each.get("content") for each in sent(talk.upstream)["input"]]


@pytest.mark.parametrize("odd", [5, ["x"], {"a": 1}, None, ""])
def test_an_item_whose_id_is_no_text_is_listed_with_one(odd: object) -> None:
    talk = Talk()
    one = talk.say("native", input=[{"role": "user", "content": "x", "id": odd}])
    (item,) = talk.items(one["id"])["data"]
    assert item["id"] == ("" if odd == "" else f"msg_{one['id'].rpartition('_')[2]}i00")


def test_odd_items_of_a_request_are_the_providers_to_refuse() -> None:
    talk = Talk()
    assert talk.say("native", input=[3, "x"])["store"] is False
    assert sent(talk.upstream)["input"] == [3, "x"]


def test_a_response_of_a_call_that_stays_local_is_stored_where_its_team_allows_it() -> None:
    here = Talk(stays_local="team")
    assert here.say("house", answer=WHOLE["mistral-local"])["store"] is False
    with pytest.raises(UnsupportedParameter, match="unless its team allows it"):
        here.say("house", answer=WHOLE["mistral-local"], store=True)
    assert not here.state.values


def test_a_conversation_that_stayed_local_stays_so() -> None:
    keeping = msgspec.structs.replace(MEMBER, keeps_local_bodies=True)
    local = Talk(keeping, stays_local="request")
    first = local.say("house", answer=WHOLE["mistral-local"])["id"]
    free = Talk(keeping, local.state)
    with pytest.raises(NotLocal):
        free.say("gpt", previous_response_id=first)
    second = free.say("house", answer=WHOLE["mistral-local"], previous_response_id=first)["id"]
    with pytest.raises(NotLocal):
        free.say("gpt", previous_response_id=second)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("roll", [0.1, 0.3, 0.6, 0.9])
def test_a_conversation_stays_with_the_deployment_that_began_it(roll: float, stream: bool) -> None:
    pool = [
        {
            "model_name": "pool",
            "litellm_params": {
                "model": "openai/gpt-4",
                "api_base": f"http://{name}.test/v1",
                "api_key": "none",
            },
            "model_info": {"id": name},
        }
        for name in ("one", "two", "three")
    ]
    state = FakeState()

    def host(number: int, chance: float, **fields: Any) -> tuple[str, dict[str, Any]]:
        told = Answer(chunks=STREAMS["gpt"]) if stream else Answer(body=WHOLE["gpt"])
        upstream = FakeUpstream(told)
        ctx = model_ctx(
            upstream,
            state=state,
            config={"model_list": pool, "router_settings": {"num_retries": 0}},
            request_id=f"0190-call-{number}",
            roll=chance,
        )
        if stream:
            shown = asyncio.run(streamed(ctx, model="pool", **fields))[-1]["response"]
        else:
            whole = asyncio.run(responses(ask(model="pool", **fields), ctx))
            assert isinstance(whole, Response)
            shown = json.loads(whole.wire or msgspec.json.encode(whole))
        return upstream.requests[0].url, shown

    url, first = host(0, roll, input="Hi")
    for number, chance in enumerate((0.0, 0.4, 0.8), 1):
        again, first = host(number, chance, input="Go on", previous_response_id=first["id"])
        assert again == url


def test_once_its_team_allows_it_no_more_a_conversation_that_stayed_local_is_stored_no_further() -> None:
    keeping = msgspec.structs.replace(MEMBER, keeps_local_bodies=True)
    local = Talk(keeping, stays_local="request")
    first = local.say("house", answer=WHOLE["mistral-local"])["id"]
    changed = Talk(MEMBER, local.state)
    told = changed.say("house", answer=WHOLE["mistral-local"], previous_response_id=first)
    assert told["store"] is False
    assert len(local.state.values) == 1
    with pytest.raises(UnsupportedParameter, match="unless its team allows it"):
        changed.say("house", answer=WHOLE["mistral-local"], previous_response_id=first, store=True)


def test_who_holds_the_call_learns_that_it_stays_local() -> None:
    """Prompts are kept, or not, by the call that the gateway began."""
    call = make_call()
    call.keep_local("conversation")
    assert call.stays_local == "conversation"
