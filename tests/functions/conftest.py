"""Every function's environment over a fake account, made anew for each module."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from aws_fakes import BUCKET, SECRETS_PREFIX, TABLE, FakeAws, fake_aws, new_workspace

from abtest.runtime.wiring import wiring


@pytest.fixture(scope="module")
def aws() -> Iterator[FakeAws]:
    """The account, with the variables that the stacks give the functions."""
    with fake_aws() as account, pytest.MonkeyPatch.context() as patch:
        variables = {
            "ENVIRONMENT": "local",
            "SERVICE_NAME": "function",
            "TABLE_NAME": TABLE,
            "BUCKET_NAME": BUCKET,
            "QUEUE_URLS": json.dumps(account.queue_urls),
            "STATE_MACHINE_ARN": account.state_machine_arn,
            "USER_POOL_CLIENT_ID": "client-1",
            "ISSUER": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf",
            "SECRETS_PREFIX": SECRETS_PREFIX,
            "ALLOW_PRIVATE_BASE_URLS": "true",
            "BATCH_SIZE": "40",
        }
        for name, value in variables.items():
            patch.setenv(f"ABTEST_{name}", value)
        wiring.cache_clear()
        yield account
        wiring.cache_clear()


@pytest.fixture
def workspace(aws: FakeAws) -> str:
    """A workspace of the test's own."""
    return new_workspace()


@pytest.fixture
def admin(workspace: str) -> str:
    """The groups of an administrator of the workspace."""
    return f"[admin workspace.{workspace}]"
