"""Signs requests to AWS (Signature Version 4) at the moment they are sent.

Credentials are a secret's JSON, or what the AWS SDK finds for the function itself: a role on AWS. Nothing of a
credential is ever in a failure.

Depends on: botocore. Used by: `abtest.adapters.http`, which imports it with the first request that is to be signed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from abtest.providers.model import AwsSigning, CallFailure, HttpRequest

_KEY_ID, _SECRET, _TOKEN = "access_key_id", "secret_access_key", "session_token"
# What a header can carry, and keys are made of.
_PART = re.compile(r"[\x21-\x7e]{1,4096}")
_SHAPE = f"JSON with {_KEY_ID}, {_SECRET} and, where there is one, {_TOKEN}"

FindCredentials = Callable[[], Credentials | None]
"""Returns the credentials of the process, or None; may take a while, because it may ask over the network."""


def _credentials_of_process() -> Credentials | None:
    return botocore.session.Session().get_credentials()


class AwsSigner:
    """Signs requests; keeps the process's own credentials, and renews them in a thread when they are about to expire.

    Args:
        find_credentials: looks for the process's own credentials.
    """

    def __init__(self, find_credentials: FindCredentials = _credentials_of_process) -> None:
        self._find = find_credentials
        self._own: Credentials | None = None
        self._renewal = asyncio.Lock()

    async def signed(self, request: HttpRequest, signing: AwsSigning) -> HttpRequest | CallFailure:
        """Return a request with its signature, which is valid for a few minutes.

        Args:
            request: its method, URL, body and each of its headers are signed.
            signing: the service, the region and whose credentials.

        Returns:
            The request; or the failure `auth`, without anything sent, when there are no usable credentials.
        """
        found = await self._process_credentials() if signing.credentials is None else _parsed(signing.credentials)
        if isinstance(found, CallFailure):
            return found
        aws = AWSRequest(method=request.method, url=request.url, data=request.body, headers=dict(request.headers))
        SigV4Auth(found, signing.service, signing.region).add_auth(aws)
        return request.model_copy(update={"headers": dict(aws.headers.items())})

    async def _process_credentials(self) -> ReadOnlyCredentials | CallFailure:
        if self._own is not None and not _about_to_expire(self._own):
            return self._own.get_frozen_credentials()
        # One thread asks; a hundred calls wait for it.
        async with self._renewal:
            try:
                return await asyncio.to_thread(self._renewed)
            except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError) as error:
                return _refused(f"the function's own AWS credentials could not be read ({type(error).__name__})")

    def _renewed(self) -> ReadOnlyCredentials | CallFailure:
        if self._own is None:
            self._own = self._find()
        if self._own is None:
            return _refused(f"there are no AWS credentials: give the function a role, or register a secret, {_SHAPE}")
        return self._own.get_frozen_credentials()


def _about_to_expire(credentials: Any) -> bool:
    """Return whether reading the credentials would ask for new ones; those of a user never expire."""
    refresh_needed = getattr(credentials, "refresh_needed", None)
    return bool(refresh_needed()) if callable(refresh_needed) else False


def _parsed(secret: str) -> ReadOnlyCredentials | CallFailure:
    try:
        document = json.loads(secret)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return _refused(f"the secret is no {_SHAPE}")
    key_id, key, token = (_part(document.get(name)) for name in (_KEY_ID, _SECRET, _TOKEN))
    if not key_id or not key:
        return _refused(f"the secret lacks {_SECRET if key_id else _KEY_ID}: it must be {_SHAPE}")
    if token is None and document.get(_TOKEN):
        return _refused(f"the secret's {_TOKEN} holds what no token can")
    return ReadOnlyCredentials(key_id, key, token)


def _part(value: Any) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return text if _PART.fullmatch(text) else None


def _refused(why: str) -> CallFailure:
    return CallFailure(failure_reason="auth", retryable=False, detail=f"nothing was sent: {why}")
