"""From the name of an environment to a client that is signed in.

Depends on: `credentials`, `sign_in`, `client`. Used by: every command that speaks to a platform.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from abtest_cli.client import ApiClient
from abtest_cli.credentials import Credentials, CredentialStore, default_path
from abtest_cli.errors import SignInError
from abtest_cli.sign_in import UserPool

if TYPE_CHECKING:
    import httpx

    from abtest_cli.local.model import LocalStack

LOCAL = "local"


def network() -> httpx.BaseTransport | None:
    """Return what carries requests: None is httpx's own; tests put another in its place."""
    return None


def store() -> CredentialStore:
    """Return the file of sign-ins."""
    return CredentialStore(default_path())


class StoredTokens:
    """Access tokens of a stored sign-in, renewed when their time comes or the API refuses them.

    Args:
        credentials: the sign-in.
        keep: where a renewed one is kept; None keeps it in memory only.
        pool: where it is renewed.
    """

    def __init__(self, credentials: Credentials, keep: CredentialStore | None, pool: UserPool) -> None:
        self._credentials = credentials
        self._keep = keep
        self._pool = pool

    def access_token(self, *, renew: bool = False) -> str:
        """Return a token that is good for at least a minute."""
        if renew or not self._credentials.is_fresh(time.time()):
            self._credentials = self._pool.renew(self._credentials)
            if self._keep is not None:
                self._keep.save(self._credentials)
        return self._credentials.access_token


class GivenToken:
    """One token from the environment variable ABTEST_TOKEN, for pipelines; it cannot be renewed here."""

    def __init__(self, token: str) -> None:
        self._token = token

    def access_token(self, *, renew: bool = False) -> str:
        """Return the token.

        Raises:
            SignInError: the API refused it.
        """
        if renew:
            raise SignInError("The API does not accept the token in ABTEST_TOKEN. Get a new one from its issuer.")
        return self._token


def names_a_platform(environment: str) -> bool:
    """Return whether a person means a certain platform, and not just the local stack that is the default."""
    return environment != LOCAL or bool(os.environ.get("ABTEST_TOKEN") and os.environ.get("ABTEST_API_URL"))


def connect(environment: str) -> ApiClient:
    """Return a client of an environment, signed in.

    `ABTEST_TOKEN` with `ABTEST_API_URL` stands in for a stored sign-in, so that a pipeline needs no file.

    Raises:
        SignInError: nobody is signed in there.
    """
    token, api_url = os.environ.get("ABTEST_TOKEN"), os.environ.get("ABTEST_API_URL")
    if token and api_url:
        return ApiClient(api_url, GivenToken(token), transport=network())
    sign_ins = store()
    credentials = sign_ins.load(environment)
    if credentials is None:
        raise SignInError(_nobody(environment, sign_ins.environments()))
    return client_of(credentials, keep=sign_ins)


def client_of(credentials: Credentials, *, keep: CredentialStore | None) -> ApiClient:
    """Return a client for a sign-in; renewed tokens go to `keep`."""
    pool = UserPool(credentials.idp_url, credentials.client_id, transport=network())
    return ApiClient(credentials.api_url, StoredTokens(credentials, keep, pool), transport=network())


def sign_in_local(stack: LocalStack) -> Credentials:
    """Sign in to the local stack with the user it made."""
    pool = UserPool(stack.idp_endpoint_url, stack.user_pool_client_id, transport=network())
    tokens = pool.sign_in(stack.username, stack.password, NobodyToAsk())
    return Credentials(
        environment=LOCAL,
        api_url=stack.api_url,
        idp_url=stack.idp_endpoint_url,
        client_id=stack.user_pool_client_id,
        username=stack.username,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or "",
        expires_at=tokens.expires_at,
    )


class NobodyToAsk:
    """Answers no challenge: for sign-ins without a person."""

    def new_password(self) -> str:
        """Refuse.

        Raises:
            SignInError: always.
        """
        raise SignInError("The account has a temporary password. Sign in once at a terminal: `abtest login`.")

    def one_time_code(self) -> str:
        """Refuse.

        Raises:
            SignInError: always.
        """
        raise SignInError("The account asks for a one-time code. Sign in at a terminal: `abtest login`.")


def _nobody(environment: str, known: tuple[str, ...]) -> str:
    if environment == LOCAL:
        return "There is no local stack to speak to. Start one: `abtest up`."
    others = f" Signed in: {', '.join(known)}." if known else ""
    return (
        f"Nobody is signed in to {environment!r}.{others} Sign in: "
        f"`abtest login --env {environment} --url https://...` (the stack's output ApiUrl)."
    )
