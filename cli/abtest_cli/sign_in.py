"""Signs in at a Cognito user pool over HTTPS, challenges included, and renews tokens; no AWS SDK, no AWS account.

Depends on: httpx. Used by: `connection`, `commands.login`, `commands.stack`.
Source: Amazon Cognito user pools API reference, InitiateAuth and RespondToAuthChallenge.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from abtest_cli.addresses import checked_url, is_loopback
from abtest_cli.credentials import Credentials
from abtest_cli.errors import ApiUnreachableError, SignInError

_TARGET = "AWSCognitoIdentityProviderService."
_TIMEOUT_S = 20.0
_MAX_CHALLENGES = 4


class Answers(Protocol):
    """The person who signs in, as far as a challenge needs them."""

    def new_password(self) -> str:
        """Return a password of their own, for an account that has a temporary one."""
        ...

    def one_time_code(self) -> str:
        """Return the six digits of their authenticator app."""
        ...


@dataclass(frozen=True)
class Tokens:
    """What a sign-in yields; `expires_at` in seconds since 1970 UTC."""

    access_token: str
    refresh_token: str | None
    expires_at: float


def idp_url_of(sign_in: Mapping[str, Any]) -> str:
    """Return where users of an API sign in.

    Args:
        sign_in: of `GET /v1/health`: `idp_endpoint_url`, `issuer`, `region`.

    Raises:
        SignInError: the API does not use a Cognito user pool.
        UsageError: the address is not safe to send a password to.
    """
    if sign_in.get("idp_endpoint_url"):
        return checked_url(str(sign_in["idp_endpoint_url"]), "sign_in.idp_endpoint_url")
    issuer = urlsplit(str(sign_in.get("issuer") or ""))
    if issuer.scheme == "https" and (issuer.hostname or "").startswith("cognito-idp."):
        return f"https://{issuer.hostname}"
    raise SignInError(
        f"The API's users come from {sign_in.get('issuer') or 'an unnamed issuer'}, which is no Cognito user pool; "
        "`abtest login` signs in at those only. Get an access token from that issuer and set ABTEST_TOKEN."
    )


class UserPool:
    """One app client of a user pool.

    Args:
        idp_url: where to sign in.
        client_id: the app client.
        transport: what carries requests; None is the network.
        now: seconds since 1970 UTC.
    """

    def __init__(
        self,
        idp_url: str,
        client_id: str,
        *,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = checked_url(idp_url, "sign-in address")
        self._client_id = client_id
        self._transport = transport
        self._now = now

    def sign_in(self, username: str, password: str, answers: Answers) -> Tokens:
        """Sign in with a password and answer what the pool asks back.

        Raises:
            SignInError: the pool refused, or asks for what only a browser can give.
            ApiUnreachableError: no answer.
        """
        reply = self._call(
            "InitiateAuth",
            {
                "AuthFlow": "USER_PASSWORD_AUTH",
                "ClientId": self._client_id,
                "AuthParameters": {"USERNAME": username, "PASSWORD": password},
            },
        )
        for _ in range(_MAX_CHALLENGES):
            if reply.get("AuthenticationResult"):
                return self._tokens(reply["AuthenticationResult"])
            reply = self._answer(username, reply, answers)
        raise SignInError("The user pool keeps asking back; the sign-in was given up. Ask the pool's administrator.")

    def renew(self, credentials: Credentials) -> Credentials:
        """Return the sign-in with a new access token.

        Raises:
            SignInError: the refresh token is no longer good.
            ApiUnreachableError: no answer.
        """
        parameters = {"REFRESH_TOKEN": credentials.refresh_token}
        body = {"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": self._client_id, "AuthParameters": parameters}
        try:
            reply = self._call("InitiateAuth", body)
        except SignInError as error:
            raise SignInError(f"The sign-in has ended ({error.message}) {_how_to(credentials.environment)}") from error
        tokens = self._tokens(reply.get("AuthenticationResult") or {})
        return credentials.renewed(
            access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_at=tokens.expires_at
        )

    def _answer(self, username: str, reply: Mapping[str, Any], answers: Answers) -> dict[str, Any]:
        challenge = str(reply.get("ChallengeName"))
        known = reply.get("ChallengeParameters") or {}
        # The pool may know the person by another name than the one they typed, and wants its own back.
        responses = {"USERNAME": str(known.get("USER_ID_FOR_SRP") or username)}
        if challenge == "NEW_PASSWORD_REQUIRED":
            responses["NEW_PASSWORD"] = answers.new_password()
        elif challenge == "SOFTWARE_TOKEN_MFA":
            responses["SOFTWARE_TOKEN_MFA_CODE"] = answers.one_time_code()
        else:
            raise SignInError(
                f"The user pool asks for {challenge}, which the command line cannot give. Sign in once with a browser "
                "to set the account up, or ask the pool's administrator."
            )
        body = {"ChallengeName": challenge, "ClientId": self._client_id, "ChallengeResponses": responses}
        return self._call("RespondToAuthChallenge", {**body, "Session": reply.get("Session")})

    def _call(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"X-Amz-Target": _TARGET + action, "Content-Type": "application/x-amz-json-1.1"}
        try:
            # A proxy of the environment must not see what stays on this machine.
            with httpx.Client(
                transport=self._transport, timeout=_TIMEOUT_S, trust_env=not is_loopback(self._url)
            ) as client:
                response = client.post(self._url + "/", json=dict(body), headers=headers)
            data = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ApiUnreachableError(
                f"The sign-in address {self._url} gave no usable answer ({type(error).__name__}). Check the network, "
                "and for the local stack `abtest status`."
            ) from error
        if response.status_code != 200 or not isinstance(data, dict):
            raise SignInError(_refusal(data if isinstance(data, dict) else {}, response.status_code))
        return data

    def _tokens(self, result: Mapping[str, Any]) -> Tokens:
        if not result.get("AccessToken"):
            raise SignInError("The user pool answered without an access token. Sign in again: `abtest login`.")
        lifetime_s = float(result.get("ExpiresIn") or 3600)
        return Tokens(str(result["AccessToken"]), result.get("RefreshToken"), self._now() + lifetime_s)


def _refusal(data: Mapping[str, Any], status: int) -> str:
    kind = str(data.get("__type", "")).rsplit("#", maxsplit=1)[-1]
    said = str(data.get("message") or data.get("Message") or kind or f"status {status}").rstrip(".")
    hint = {
        "PasswordResetRequiredException": " Reset the password first (forgotten password, in the browser).",
        "UserNotConfirmedException": " Confirm the account first, with the code from the e-mail.",
        "TooManyRequestsException": " Wait a minute and try again.",
    }.get(kind, "")
    return f"The user pool refused: {said}.{hint}"


def _how_to(environment: str) -> str:
    command = "abtest up" if environment == "local" else f"abtest login --env {environment}"
    return f"Sign in again: `{command}`."
