"""Events as AWS sends them, a Lambda context, and the handlers, each loaded as Lambda loads it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from abtest.contracts.steps import QueuedMessage

FUNCTIONS = Path(__file__).parents[2] / "functions"
FOLDERS = tuple(sorted(folder.name for folder in FUNCTIONS.iterdir() if (folder / "handler.py").exists()))


@dataclass
class LambdaContext:
    """What Lambda hands to a handler."""

    function_name: str = "abtest-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:abtest-function"
    aws_request_id: str = "b1e7a0de-0000-4000-8000-000000000000"
    remaining_ms: int = 120_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@cache
def load_handler(folder: str) -> Any:
    """Import one function's handler; only the API has modules of its own beside it."""
    path = FUNCTIONS / folder
    if (path / "routes").exists() and str(path) not in sys.path:
        sys.path.append(str(path))
    spec = importlib.util.spec_from_file_location(f"handler_of_{folder}", path / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def api_event(
    method: str,
    path: str,
    *,
    body: Any = None,
    groups: str | None = "[admin]",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    user_arn: str | None = None,
) -> dict[str, Any]:
    """Return the event of an HTTP API, payload format 2.0.

    Args:
        body: sent as JSON; a text is sent as it is.
        groups: claim of the token, as API Gateway hands it on; None is a request without an authorizer.
        user_arn: of a caller signed by IAM, in place of a token.
    """
    authorizer: dict[str, Any] | None = None
    if user_arn is not None:
        authorizer = {"iam": {"accessKey": "AKIA", "accountId": "123456789012", "userArn": user_arn, "userId": "AIDA"}}
    elif groups is not None:
        claims = {"sub": "6a1f", "username": "ada", "client_id": "client", "token_use": "access"}
        authorizer = {"jwt": {"claims": {**claims, "cognito:groups": groups}, "scopes": None}}
    return {
        "version": "2.0",
        "routeKey": f"ANY {'/service' if user_arn else ''}/v1/{{proxy+}}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"host": "api.example.com", "content-type": "application/json", **(headers or {})},
        **({"queryStringParameters": dict(query)} if query else {}),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            **({"authorizer": authorizer} if authorizer else {}),
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "abtest",
            },
            "requestId": "request-1",
            "routeKey": "ANY /v1/{proxy+}",
            "stage": "$default",
            "time": "01/Mar/2026:12:00:00 +0000",
            "timeEpoch": 1_772_366_400_000,
        },
        **({} if body is None else {"body": body if isinstance(body, str) else json.dumps(body)}),
        "isBase64Encoded": False,
    }


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    status: int
    content_type: str
    body: Any


def call(method: str, path: str, *, folder: str = "api", **options: Any) -> Answer:
    """Invoke the API's handler and return what API Gateway would send.

    Args:
        folder: of another function that answers a part of the API.
        options: of `api_event`.
    """
    raw = load_handler(folder).lambda_handler(api_event(method, path, **options), LambdaContext())
    headers = {name.lower(): value for name, value in (raw.get("headers") or {}).items()}
    assert isinstance(raw["body"], str)
    assert raw["isBase64Encoded"] is False
    return Answer(raw["statusCode"], headers["content-type"], json.loads(raw["body"]))


def sqs_event(*messages: QueuedMessage | str, queue: str = "abtest-openai_chat") -> dict[str, Any]:
    """Return the event of an SQS event source mapping."""
    bodies = [message if isinstance(message, str) else message.model_dump_json() for message in messages]
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1772366400000",
                    "SenderId": "AIDA",
                    "ApproximateFirstReceiveTimestamp": "1772366400001",
                },
                "messageAttributes": {},
                "md5OfBody": "x",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }
