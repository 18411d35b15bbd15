"""The local user: made in the deployed user pool, signed in like any other.

Depends on: `clients`; httpx. Used by: `stack`, the commands, the end-to-end tests.
"""

from __future__ import annotations

import contextlib
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from abtest_cli.local.errors import IdentityError

if TYPE_CHECKING:
    from abtest_cli.local.clients import Clients

USERNAME = "local@abtest.example"
GROUPS = ("experimenter", "admin")
_PASSWORD_LENGTH = 28
_SIGN_IN_HEADERS = {
    "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
    "Content-Type": "application/x-amz-json-1.1",
}


@dataclass(frozen=True)
class Tokens:
    """What a sign-in yields.

    Args:
        access_token: the bearer token of the API.
        id_token: who the user is.
        refresh_token: for new ones.
        expires_in_s: how long the first two are valid.
    """

    access_token: str
    id_token: str
    refresh_token: str
    expires_in_s: int


def new_password() -> str:
    """Return a random password that satisfies any sensible policy: letters of both cases, digits, symbols."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "!#%+-=@_")
    letters = [secrets.choice(kind) for kind in kinds]
    letters += [secrets.choice("".join(kinds)) for _ in range(_PASSWORD_LENGTH - len(letters))]
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


def ensure_user(clients: Clients, pool_id: str, password: str, groups: Sequence[str] = GROUPS) -> None:
    """Make the local user, or give the one that is there the password and the groups.

    Args:
        clients: of the embedded AWS.
        pool_id: the deployed user pool.
        password: permanent, not to be changed at the first sign-in.
        groups: what the user may do.

    Raises:
        IdentityError: the pool refused.
    """
    cognito = clients.cognito
    try:
        with contextlib.suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(
                UserPoolId=pool_id,
                Username=USERNAME,
                TemporaryPassword=password,
                MessageAction="SUPPRESS",
                UserAttributes=[{"Name": "email", "Value": USERNAME}, {"Name": "email_verified", "Value": "true"}],
            )
        cognito.admin_set_user_password(UserPoolId=pool_id, Username=USERNAME, Password=password, Permanent=True)
        for group in groups:
            cognito.admin_add_user_to_group(UserPoolId=pool_id, Username=USERNAME, GroupName=group)
    except (ClientError, BotoCoreError) as error:
        raise IdentityError(
            f"The local user could not be made in the user pool {pool_id}: {error}. The data stack must define the "
            f"groups {', '.join(groups)} and let e-mail addresses be user names."
        ) from error


def sign_in(endpoint_url: str, client_id: str, username: str, password: str) -> Tokens:
    """Sign in with a password, as the command line does it on AWS.

    Args:
        endpoint_url: of the user pools.
        client_id: the app client.
        username: who.
        password: theirs.

    Raises:
        IdentityError: refused, or no answer.
    """
    who = {"USERNAME": username, "PASSWORD": password}
    body = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client_id, "AuthParameters": who}
    try:
        with httpx.Client(trust_env=False, timeout=20.0) as client:
            response = client.post(endpoint_url, json=body, headers=_SIGN_IN_HEADERS)
        data = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise IdentityError(
            f"The local sign-in at {endpoint_url} gave no usable answer ({type(error).__name__}). `abtest status` "
            "tells whether the stack still runs."
        ) from error
    result = data.get("AuthenticationResult") if response.status_code == 200 else None
    if not result:
        reason = data.get("message") or data.get("ChallengeName") or f"status {response.status_code}"
        raise IdentityError(
            f"The local user {username} could not sign in: {reason}. If the stack was started anew meanwhile, sign in "
            "with the new password (`abtest login`); otherwise `abtest down`, then `abtest up`."
        )
    return Tokens(
        access_token=result["AccessToken"],
        id_token=result["IdToken"],
        refresh_token=result["RefreshToken"],
        expires_in_s=int(result["ExpiresIn"]),
    )
