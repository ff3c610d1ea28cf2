"""HTTP events of the payload format 2.0, as AWS documents them:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

Event = dict[str, Any]  # the platform's own form


def http_event(
    method: str,
    path: str,
    *,
    body: object = None,
    key: str = "",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    cookies: Sequence[str] = (),
) -> Event:
    """An event of API Gateway. A body that is not bytes goes as JSON, and bytes go as base64."""
    sent = {"host": "example.execute-api.eu-central-1.amazonaws.com", **(headers or {})}
    if key:
        sent["authorization"] = f"Bearer {key}"
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "example",
            "domainName": "example.execute-api.eu-central-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "curl/8",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if cookies:
        event["cookies"] = list(cookies)
    if isinstance(body, bytes):
        event["body"] = base64.b64encode(body).decode()
    elif body is not None:
        event["body"] = json.dumps(body)
    return event


def body_of(answer: Mapping[str, Any]) -> bytes:
    """The body of a function's answer."""
    text: str = answer["body"]
    return base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()
