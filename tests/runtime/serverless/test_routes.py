"""Which function a path of a deployment leads to."""

import pytest

from runtime.catalog import UnknownFunction, entries
from runtime.serverless.routes import WrongMethod, routes_of
from schema.errors.rows import NotFound


def test_a_name_of_a_function_is_that_one_and_a_familys_name_is_all_of_it() -> None:
    assert routes_of("chat").names == ["chat"]
    assert routes_of("sso-callback").names == ["sso_callback"]
    assert routes_of("keys.info").names == ["keys.info"]
    family = routes_of("keys").names
    assert "keys.generate" in family
    assert "keys.list_keys" in family
    assert all(name.startswith("keys.") for name in family)
    with pytest.raises(UnknownFunction, match="nope"):
        routes_of("nope")


def test_every_path_of_the_catalogue_leads_to_its_function() -> None:
    for entry in entries():
        routes = routes_of(entry.manifest.family)
        for path in (entry.manifest.path, *entry.manifest.aliases):
            filled = path.replace(":path}", "}").replace("{", "v-").replace("}", "")
            found = routes.find(entry.manifest.method, filled)
            assert found.entry.manifest.name == entry.manifest.name, path


def test_parameters_of_a_path_are_read() -> None:
    found = routes_of("models").find("GET", "/v1/models/meta/llama3")
    assert found.path == {"model": "meta/llama3"}


def test_a_models_name_with_slashes_in_the_middle_of_a_path_is_whole() -> None:
    routes = routes_of("embeddings")
    paths = [path for entry in entries(["embeddings"]) for path in entry.manifest.aliases if "{" in path]
    (path,) = [each for each in paths if each.startswith("/engines/")]
    found = routes.find("POST", path.replace("{model:path}", "a/b").replace("{model}", "a/b"))
    assert list(found.path.values()) == ["a/b"]


def test_another_path_is_404_and_another_method_405_with_what_is_allowed() -> None:
    routes = routes_of("chat")
    with pytest.raises(NotFound, match=r"serves chat alone"):
        routes.find("POST", "/v1/embeddings")
    with pytest.raises(WrongMethod) as refused:
        routes.find("DELETE", "/v1/chat/completions")
    assert refused.value.reply_headers == {"allow": "POST"}


def test_head_is_get() -> None:
    assert routes_of("models").find("HEAD", "/v1/models").entry.manifest.name == "models"
