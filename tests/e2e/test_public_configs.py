"""Config files as people have them, after the shapes of public ones: each starts, and what is printed is what
its owner has to know."""

import re
import sys
from pathlib import Path

import pytest

from tests.e2e.faults.test_life import ask, run_to_end
from tests.e2e.gateway import MASTER_KEY, serving

CONFIGS = Path(__file__).parent / "configs"
ENV = {"OPENAI_API_KEY": "sk-proj-s3cret", "ANTHROPIC_API_KEY": "sk-ant-s3cret"}
SAID: list[tuple[str, list[int], int, list[str]]] = [
    (
        "many_providers",
        [1, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        12,
        [
            "GCP_PROJECT (gemini-flash-vertex: model_list[5])",
            "config error: 10 deployments are skipped: the environment has no value for AZURE_API_BASE",
            "router_settings.redis_host: has no effect in this version",
        ],
    ),
    (
        "home_lab",
        [],
        5,
        [
            "model_list[0].litellm_params.stream: each request says that itself; it is ignored",
            "model_list[2].litellm_params.api_base: it ends with /audio/transcriptions",
            "model_list[3].litellm_params.api_base: it ends with /v1, and /api/chat is put behind it",
            "model_list[4].litellm_params.api_base: it ends with /chat/completions",
        ],
    ),
    (
        "anchors",
        [2, 3],
        7,
        [
            "model_list[1].model_info.input_cost_per_token: 0.15 dollars a token are 150,000 dollars per",
            "model_list[1].litellm_params.tags: have no effect without enable_tag_filtering in",
            "2 deployments are skipped: the environment has no value for AZURE_WEU_KEY (smart, embed: "
            "model_list[2], model_list[3])",
        ],
    ),
    (
        "included",
        [2],
        2,
        [
            "litellm_settings.callbacks (prometheus): has no effect in this version",
            "model_list[2].litellm_params.api_key: the environment has no value for GROQ_API_KEY",
        ],
    ),
    (
        "kubernetes",
        [],
        11,
        [
            "guardrails (presidio-pii, lakera): has no effect in this version",
            "general_settings.routing_strategy: has no effect here; it belongs in `router_settings`",
            "litellm_settings.success_callback (s3, otel): has no effect in this version",
        ],
    ),
    (
        "azure_regions",
        [0, 1, 2, 3, 4],
        7,
        [
            "5 deployments are skipped: the environment has no value for AZURE_",
            "AZURE_EUS_BASE (gpt-4o: model_list[3]), AZURE_EUS_KEY (gpt-4o: model_list[3]), AZURE_NCU_BASE",
        ],
    ),
    (
        "team_budgets",
        [],
        9,
        [
            "model_list[0].litellm_params.base_model: has no effect here; it belongs in `model_info`",
            "model_list[1].litellm_params.keep_alive: openai has no word for it",
            "litellm_settings.default_team_settings: has no effect in this version",
        ],
    ),
    (
        "copied_from_docs",
        [2, 5, 6, 7],
        15,
        [
            "is taken as text: model_list[1].litellm_params.api_key, model_list[4].litellm_params.api_key",
            "model_list[0].litellm_params.tmp: openai has no word for it; it is left out",
            "model_list[1].litellm_params.api_base: it has /v1 twice",
            "model_list[4].litellm_params.api_base: it ends with /v1/messages",
            "litellm_settings.sucess_callback: unknown key; did you mean `success_callback`?",
            "'round-robin' is none of simple-shuffle",
        ],
    ),
    (
        "only_ollama",
        [0, 1],
        1,
        ["(this deployment is skipped, and with it model_list[1], which would take calls of a local model"],
    ),
    ("empty_but_for_keys", [], 1, ["general_settings.master_key: the environment has no LITELLM_MASTER_KEY"]),
]
NAMES = [name for name, *_ in SAID]


def test_every_file_is_in_the_table() -> None:
    assert sorted(path.stem for path in CONFIGS.glob("*.yaml")) == sorted(NAMES)


@pytest.mark.parametrize(("name", "skipped", "most", "lines"), SAID, ids=NAMES)
def test_a_file_as_people_have_it_starts_and_says_what_its_owner_has_to_know(
    tmp_path: Path, postgres_dsn: str, name: str, skipped: list[int], most: int, lines: list[str]
) -> None:
    path = str(CONFIGS / f"{name}.yaml")
    env = {**ENV, "DATABASE_URL": postgres_dsn, "SWITCHGEAR_DATA": str(tmp_path / "none")}
    code, said = run_to_end(["serve", "--check-config", "--config", path], tmp_path, **env)
    assert code == (1 if skipped else 0)
    with serving(tmp_path, {}, postgres_dsn, "--config", path, env=ENV) as gateway:
        ready = gateway.get("/health/readiness")
        assert ready.status_code == 200
        assert ready.json()["deployments_skipped"] == len(skipped)
        assert ready.json()["status"] == ("degraded" if skipped else "healthy")
        assert gateway.get("/v1/models").status_code == 200
        log = gateway.process.log()
    told = [line for line in said.splitlines() if line.startswith("config ")]
    assert [line for line in log.splitlines() if line.startswith("config ")] == told
    for line in lines:
        assert any(line in each for each in told), (line, told)
    assert len(told) <= most, "\n".join(told)
    for text in (said, log):
        assert "Traceback" not in text
        assert "s3cret" not in text
    named = {int(place) for place in re.findall(r"model_list\[(\d+)\]", "\n".join(_errors(told)))}
    assert named == set(skipped)
    warned = {int(place) for place in re.findall(r"warning: model_list\[(\d+)\]", "\n".join(told))}
    assert not warned & set(skipped)


def _errors(told: list[str]) -> list[str]:
    return [line for line in told if line.startswith("config error: ")]


def test_the_models_of_such_files_are_called_or_refused_with_the_reason(
    tmp_path: Path, postgres_dsn: str
) -> None:
    path = str(CONFIGS / "only_ollama.yaml")
    with serving(tmp_path, {}, postgres_dsn, "--config", path, env=ENV) as gateway:
        for model, says in (("hermes", "OLLAMA_HOST"), ("hermes", "calls of the model stay local")):
            answer = gateway.post("/v1/chat/completions", model=model, messages=ask())
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
            assert says in answer.json()["error"]["message"]
        listed = [card["id"] for card in gateway.get("/v1/models").json()["data"]]
    assert "hermes" not in listed
    assert "small" in listed


@pytest.mark.parametrize("name", ["many_providers", "azure_regions", "only_ollama"])
def test_a_strict_start_refuses_such_a_file(tmp_path: Path, postgres_dsn: str, name: str) -> None:
    path = str(CONFIGS / f"{name}.yaml")
    env = {**ENV, "DATABASE_URL": postgres_dsn, "SWITCHGEAR_DATA": str(tmp_path / "data")}
    code, said = run_to_end(["serve", "--strict", "--config", path, "--port", "4999"], tmp_path, **env)
    assert code == 2
    assert "config error: model_list[" in said or "deployments are skipped" in said
    code, _ = run_to_end(["serve", "--strict", "--check-config", "--config", path], tmp_path, **env)
    assert code == 1
    assert MASTER_KEY not in said
    assert sys.executable not in said
