"""What was compiled the last time is the same as what would be compiled now."""

from typing import Any

import pytest

from models_registry.config import deployments
from models_registry.config.compiled import BuildCache
from models_registry.config.stored import Stored, StoredCredential, StoredModel
from runtime.blueprint import Checked, check

PARAMS = {"model": "openai/gpt-4o", "api_base": "https://a.example/v1", "api_key": "none"}
FILE: dict[str, Any] = {"model_list": [{"model_name": "f", "litellm_params": PARAMS}]}
OTHER = {**FILE, "litellm_settings": {"drop_params": True}}


def model(id: str, **params: Any) -> StoredModel:
    return StoredModel(model_id=id, model_name="m", litellm_params={**PARAMS, **params})


def credential(key: str) -> tuple[StoredCredential, ...]:
    return (StoredCredential(id="1", name="c", values={"api_key": key, "api_base": "https://c.example/v1"}),)


SHARED = StoredModel(
    model_id="s", model_name="s", litellm_params={"model": "openai/x", "litellm_credential_name": "c"}
)
STEPS: tuple[tuple[dict[str, Any], dict[str, str], Stored], ...] = (
    (FILE, {}, Stored()),
    (FILE, {}, Stored(models=(model("1"),))),
    (FILE, {}, Stored(models=(model("1"), model("2")))),
    (FILE, {}, Stored(models=(model("1"), model("2", timeout=5)))),
    (FILE, {}, Stored(models=(model("2", timeout=5), model("1", timeout=-1)))),
    (FILE, {}, Stored(models=(model("2", timeout=5), model("1")), router_settings={"timeout": 7})),
    (FILE, {}, Stored(models=(model("2", timeout=5), model("1")), router_settings={"timeout": 8})),
    (OTHER, {}, Stored(models=(model("2", timeout=5), model("1")))),
    (OTHER, {}, Stored(models=(SHARED,))),
    (OTHER, {}, Stored(models=(SHARED,), credentials=credential("sk-one"))),
    (OTHER, {}, Stored(models=(SHARED,), credentials=credential("sk-two"))),
    (
        FILE,
        {},
        Stored(models=(StoredModel(model_id="1", model_name="m", litellm_params=PARAMS, blocked=True),)),
    ),
    (FILE, {}, Stored(models=(StoredModel(model_id="1", model_name="m", litellm_params=PARAMS),))),
)


def facts(checked: Checked) -> object:
    """All that a registry can be told by."""
    registry = checked.registry
    return (
        {name: registry.find(name, allowed=()) for name in ("f", "m", "s")},
        checked.errors,
        checked.skipped,
        sorted(checked.warnings),
        checked.routing,
    )


def test_a_build_with_what_was_kept_is_the_same_as_one_without() -> None:
    cache = BuildCache()
    for number, (document, env, stored) in enumerate((*STEPS, *reversed(STEPS))):
        kept = check(document, env, stored=stored, cache=cache)
        assert facts(kept) == facts(check(document, env, stored=stored)), f"step {number}"


def test_what_did_not_change_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_once = deployments.compile_targets

    def counted(config: Any, deployment: Any, at: Any) -> Any:
        compiled.append(deployment.path)
        return compile_once(config, deployment, at)

    monkeypatch.setattr("models_registry.config.compiled.compile_targets", counted)
    cache = BuildCache()
    check(FILE, {}, stored=Stored(models=(model("1"), model("2"))), cache=cache)
    assert compiled == ["model_list[0]", "model 1", "model 2"]
    check(FILE, {}, stored=Stored(models=(model("1"), model("2", timeout=5), model("3"))), cache=cache)
    assert compiled[3:] == ["model 2", "model 3"]
    check(FILE, {}, stored=Stored(models=(model("1"),), router_settings={"timeout": 9}), cache=cache)
    assert compiled[5:] == ["model_list[0]", "model 1"], "a setting counts for all of them"
