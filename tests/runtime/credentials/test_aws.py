"""Amazon's signatures, judged by a reading of the specification that is not botocore's, and keys from where
the gateway runs."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from models_registry.backends.backend import UpstreamRequest
from models_registry.signing import AwsSigning
from runtime.credentials import aws
from runtime.credentials.aws import AwsKeys, fetched_keys, given_keys, signed_headers
from runtime.credentials.fresh import Unsigned
from runtime.credentials.signer import Signer
from schema.secret import Secret
from tests.fakes.json_server import Asked, json_server

SIGNING = AwsSigning(region="us-east-1")
KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
UNRESERVED = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"


def request_to(model: str, body: bytes = b'{"messages":[]}') -> UpstreamRequest:
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{quote(model, safe='')}/converse"
    return UpstreamRequest(url=url, headers={"content-type": "application/json"}, body=body)


def signature_of(request: UpstreamRequest, headers: dict[str, str], secret: str) -> str:
    """What a server computes of a request as it came, by the steps of the specification."""
    credential = headers["authorization"].split("Credential=")[1].split(",")[0]
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    _, day, region, service, _ = credential.split("/")
    parts = urlsplit(request.url)
    told = {"host": parts.netloc, **headers}
    canonical = "\n".join(
        [
            request.method,
            "/".join(quote(step, safe="-_.~") for step in parts.path.split("/")),
            parts.query,
            *(f"{name}:{' '.join(told[name].split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def said_signature(headers: dict[str, str]) -> str:
    return headers["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    "model", ["amazon.nova-pro-v1:0", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", ARN, "x y+z~ü"]
)
def test_a_signature_is_what_a_server_computes_of_the_request_as_it_is_sent(model: str) -> None:
    request = request_to(model)
    headers = signed_headers(request, KEYS, SIGNING)
    assert said_signature(headers) == signature_of(request, headers, KEYS.secret_access_key)
    other = request_to(model, b'{"messages":[1]}')
    assert said_signature(headers) != signature_of(other, headers, KEYS.secret_access_key)


def test_a_session_is_part_of_what_is_signed() -> None:
    request = request_to("m")
    headers = signed_headers(request, KEYS._replace(session_token="session"), SIGNING)
    assert headers["x-amz-security-token"] == "session"
    assert "x-amz-security-token" in headers["authorization"]
    assert said_signature(headers) == signature_of(request, headers, KEYS.secret_access_key)


@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", UNRESERVED, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ],
)
def test_signatures_of_amazons_published_suite(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, signature: str
) -> None:
    """get-vanilla, post-vanilla and get-unreserved of `aws-sig-v4-test-suite`."""
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: at)
    request = UpstreamRequest(method=method, url=f"https://example.amazonaws.com{path}", headers={}, body=b"")
    headers = signed_headers(request, KEYS, SIGNING, service="service")
    assert said_signature(headers) == signature


def test_keys_are_in_no_repr() -> None:
    signing = AwsSigning(
        region="r", access_key_id=Secret("AKIDEXAMPLE"), secret_access_key=Secret("the-secret")
    )
    assert "the-secret" not in f"{signing!r} {given_keys(signing)!r}"


def keys_json(minutes: float = 60) -> bytes:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    return json.dumps(
        {
            "AccessKeyId": "ASIA1",
            "SecretAccessKey": "fetched",
            "Token": "session",
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    ).encode()


def test_keys_of_the_machine_come_by_a_session_of_the_metadata_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers(asked: Asked) -> tuple[int, bytes]:
        if asked.method == "PUT":
            return 200, b"imds-token"
        if asked.headers.get("x-aws-ec2-metadata-token") != "imds-token":
            return 401, b""
        return 200, keys_json() if asked.path.endswith("/node-role") else b"node-role"

    with json_server(answers) as server:
        monkeypatch.setattr(aws, "MACHINE", f"{server.url}/latest")
        keys, for_s = asyncio.run(fetched_keys(SIGNING, {}))
        signer = Signer({})
        headers = asyncio.run(signer.headers(SIGNING, request_to("m")))
    assert keys == AwsKeys("ASIA1", "fetched", "session")
    assert 3500 < for_s <= 3600
    assert headers["x-amz-security-token"] == "session"


def test_keys_of_a_container_and_of_a_web_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("the-token\n")

    def answers(asked: Asked) -> tuple[int, bytes]:
        if asked.path == "/creds":
            return (200, keys_json()) if asked.headers["authorization"] == "the-token" else (403, b"")
        form = parse_qs(asked.body.decode())
        assert form["Action"] == ["AssumeRoleWithWebIdentity"]
        assert form["WebIdentityToken"] == ["the-token"]
        inner = {"Credentials": json.loads(keys_json()) | {"SessionToken": "sts"}}
        del inner["Credentials"]["Token"]
        inner["Credentials"]["Expiration"] = datetime.now(UTC).timestamp() + 900
        answer = {"AssumeRoleWithWebIdentityResponse": {"AssumeRoleWithWebIdentityResult": inner}}
        return 200, json.dumps(answer).encode()

    with json_server(answers) as server:
        container = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        }
        assert asyncio.run(fetched_keys(SIGNING, container)).value.session_token == "session"
        monkeypatch.setattr(aws, "_sts", lambda signing: f"{server.url}/")
        web = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}
        keys, for_s = asyncio.run(fetched_keys(SIGNING, web))
        assert keys.session_token == "sts"
        assert 800 < for_s <= 900


def test_a_role_is_assumed_with_the_given_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(asked: Asked) -> tuple[int, bytes]:
        assert parse_qs(asked.body.decode())["RoleArn"] == ["arn:aws:iam::1:role/llm"]
        assert "/us-east-1/sts/aws4_request" in asked.headers["authorization"]
        inner = {"AssumeRoleResult": {"Credentials": json.loads(keys_json())}}
        return 200, json.dumps({"AssumeRoleResponse": inner}).encode()

    signing = AwsSigning(
        region="us-east-1",
        access_key_id=Secret("AKID"),
        secret_access_key=Secret("s"),
        role_arn="arn:aws:iam::1:role/llm",
    )
    with json_server(answers) as server:
        monkeypatch.setattr(aws, "_sts", lambda signing: f"{server.url}/")
        assert asyncio.run(fetched_keys(signing, {})).value.access_key_id == "ASIA1"


def test_the_account_of_a_role_hears_the_external_id(monkeypatch: pytest.MonkeyPatch) -> None:
    forms: list[dict[str, list[str]]] = []

    def answers(asked: Asked) -> tuple[int, bytes]:
        forms.append(parse_qs(asked.body.decode()))
        inner = {"AssumeRoleResult": {"Credentials": json.loads(keys_json())}}
        return 200, json.dumps({"AssumeRoleResponse": inner}).encode()

    signing = AwsSigning(
        region="us-east-1",
        access_key_id=Secret("AKID"),
        secret_access_key=Secret("s"),
        role_arn="arn:aws:iam::1:role/llm",
        external_id="of-the-customer",
    )
    with json_server(answers) as server:
        monkeypatch.setattr(aws, "_sts", lambda signing: f"{server.url}/")
        asyncio.run(fetched_keys(signing, {}))
    assert forms[0]["ExternalId"] == ["of-the-customer"]


@pytest.mark.parametrize("written", ["text", "file"])
def test_a_deployments_own_web_identity_counts_before_the_environments(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("own-token\n")
    forms: list[dict[str, list[str]]] = []

    def answers(asked: Asked) -> tuple[int, bytes]:
        forms.append(parse_qs(asked.body.decode()))
        inner = {"AssumeRoleWithWebIdentityResult": {"Credentials": json.loads(keys_json())}}
        return 200, json.dumps({"AssumeRoleWithWebIdentityResponse": inner}).encode()

    signing = AwsSigning(
        region="us-east-1",
        role_arn="arn:aws:iam::1:role/own",
        web_identity=Secret("own-token" if written == "text" else str(token)),
    )
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": "arn:aws:iam::1:role/of-the-machine"}
    with json_server(answers) as server:
        monkeypatch.setattr(aws, "_sts", lambda signing: f"{server.url}/")
        assert asyncio.run(fetched_keys(signing, env)).value.access_key_id == "ASIA1"
    assert forms[0]["WebIdentityToken"] == ["own-token"]
    assert forms[0]["RoleArn"] == ["arn:aws:iam::1:role/own"]
    assert "own-token" not in repr(signing)


def test_keys_of_a_profile_are_those_of_amazons_files(tmp_path: Path) -> None:
    shared, config = tmp_path / "credentials", tmp_path / "config"
    shared.write_text("[dev]\naws_access_key_id = AKDEV\naws_secret_access_key = of-dev\n")
    config.write_text("[profile ops]\naws_access_key_id = AKOPS\naws_secret_access_key = of-ops\n")
    env = {
        "AWS_SHARED_CREDENTIALS_FILE": str(shared),
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "AKENV",
        "AWS_SECRET_ACCESS_KEY": "of-env",
    }

    def keys_of(profile: str) -> AwsKeys:
        return asyncio.run(fetched_keys(AwsSigning(region="us-east-1", profile=profile), env)).value

    assert keys_of("dev") == AwsKeys("AKDEV", "of-dev")
    assert keys_of("ops") == AwsKeys("AKOPS", "of-ops")
    with pytest.raises(Unsigned, match="no keys of the profile 'nosuch'"):
        keys_of("nosuch")
    shared.write_text("no ini file")
    with pytest.raises(Unsigned, match="no keys of the profile 'dev'"):
        keys_of("dev")


ODD = b'{"AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "soon"}'


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"AccessKeyId": 5}', ODD, b"<html>", b"\xff"])
def test_an_answer_without_keys_is_told_without_its_words(body: bytes) -> None:
    with json_server(lambda asked: (200, body)) as server:
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds"}
        with pytest.raises(Unsigned):
            asyncio.run(fetched_keys(SIGNING, env))
    with pytest.raises(Unsigned, match="there are no keys"):
        asyncio.run(fetched_keys(SIGNING, {"AWS_EC2_METADATA_DISABLED": "true"}))
