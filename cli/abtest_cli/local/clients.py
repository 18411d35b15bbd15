"""boto3 clients for the embedded AWS, and for nothing else.

The user's AWS profile, configuration files and variables are out of reach: a mistake here would otherwise create
resources in somebody's account.

Depends on: boto3. Used by: `deployment`, `identity`, `warm`, `stack`.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config

from abtest_cli.local.options import REGION

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

ROOT_KEY = "test"
"""The embedded AWS takes this access key for the root of its account, with and without IAM enforcement."""

_CONFIG = Config(
    region_name=REGION,
    # An empty mapping, not None: None would read the proxies of the environment.
    proxies={},
    retries={"total_max_attempts": 2, "mode": "standard"},
    connect_timeout=5,
    read_timeout=120,
    max_pool_connections=16,
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class Clients:
    """The clients of one embedded AWS, made once each.

    Args:
        endpoint_url: where it listens.
    """

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        nowhere = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
        self._session = boto3.Session(
            aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=ROOT_KEY,
            region_name=REGION,
            botocore_session=botocore.session.Session(session_vars=nowhere),
        )
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._session.client(
                    service,  # type: ignore[call-overload]
                    endpoint_url=self.endpoint_url,
                    config=_CONFIG,
                )
            return self._made[service]

    def preload(self) -> None:
        """Make the clients now: reading their descriptions takes a moment that others can use."""
        for service in ("s3", "ssm", "cloudformation", "cognito-idp", "lambda"):
            self._client(service)

    @property
    def cloudformation(self) -> CloudFormationClient:
        """CloudFormation."""
        return self._client("cloudformation")  # type: ignore[no-any-return]

    @property
    def cognito(self) -> CognitoIdentityProviderClient:
        """Cognito user pools."""
        return self._client("cognito-idp")  # type: ignore[no-any-return]

    @property
    def functions(self) -> LambdaClient:
        """Lambda."""
        return self._client("lambda")  # type: ignore[no-any-return]

    @property
    def s3(self) -> S3Client:
        """S3."""
        return self._client("s3")  # type: ignore[no-any-return]

    @property
    def ssm(self) -> SSMClient:
        """SSM parameters."""
        return self._client("ssm")  # type: ignore[no-any-return]
