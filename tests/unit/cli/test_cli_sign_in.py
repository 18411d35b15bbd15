"""Signing in, challenges, the file of sign-ins, renewal."""

from __future__ import annotations

import json
import stat
import time

import httpx
import pytest
from fake_platform import API, IDP, FakePlatform, credentials

from abtest_cli.connection import NobodyToAsk, connect
from abtest_cli.credentials import CredentialStore
from abtest_cli.errors import ApiUnreachableError, SignInError
from abtest_cli.main import run_cli
from abtest_cli.sign_in import UserPool, idp_url_of


class Person:
    def new_password(self) -> str:
        return "brand-new"

    def one_time_code(self) -> str:
        return "123456"


def test_challenges_are_answered_in_turn__temporary_password_and_authenticator(platform: FakePlatform) -> None:
    tokens = UserPool(IDP, "client", transport=platform.transport(), now=lambda: 1000.0).sign_in(
        "ada", "temporary", Person()
    )
    assert (tokens.access_token, tokens.expires_at) == ("token-1", 1600.0)
    sent = [json.loads(request.content) for request in platform.requests]
    assert sent[1]["ChallengeResponses"] == {"USERNAME": "ada", "NEW_PASSWORD": "brand-new"}
    assert sent[2]["ChallengeResponses"] == {"USERNAME": "ada", "SOFTWARE_TOKEN_MFA_CODE": "123456"}
    assert sent[2]["Session"] == "s2"


@pytest.mark.parametrize(("password", "words"), [("wrong", "Incorrect username"), ("setup", "MFA_SETUP")])
def test_sign_in_is_refused_in_words__wrong_password_or_unknown_challenge(
    platform: FakePlatform, password: str, words: str
) -> None:
    with pytest.raises(SignInError, match=words):
        UserPool(IDP, "client", transport=platform.transport()).sign_in("ada", password, Person())


def test_sign_in_without_a_person_stops__challenge(platform: FakePlatform) -> None:
    with pytest.raises(SignInError, match="temporary password"):
        UserPool(IDP, "client", transport=platform.transport()).sign_in("ada", "temporary", NobodyToAsk())


def test_no_answer_is_told__user_pool_down() -> None:
    pool = UserPool(IDP, "client", transport=httpx.MockTransport(lambda _: httpx.Response(200, text="<html>")))
    with pytest.raises(ApiUnreachableError):
        pool.sign_in("ada", "secret", Person())


def test_sign_in_address_comes_from_the_issuer__aws_and_others() -> None:
    issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
    assert idp_url_of({"issuer": issuer, "idp_endpoint_url": None}) == "https://cognito-idp.eu-west-1.amazonaws.com"
    with pytest.raises(SignInError, match="ABTEST_TOKEN"):
        idp_url_of({"issuer": "https://login.example.com/tenant"})


def test_file_is_readable_by_its_owner_only__saved(sign_ins: CredentialStore) -> None:
    assert stat.S_IMODE(sign_ins.path.stat().st_mode) == 0o600
    assert list(sign_ins.path.parent.iterdir()) == [sign_ins.path]


def test_file_is_refused_in_words__damaged(sign_ins: CredentialStore) -> None:
    for text in ("{", "[]", '{"local": 1}', '{"local": {"environment": "local"}}'):
        sign_ins.path.write_text(text)
        with pytest.raises(SignInError, match="Delete it"):
            sign_ins.load("local")


def test_environments_are_kept_apart__two_of_them(sign_ins: CredentialStore) -> None:
    sign_ins.save(credentials("prod"))
    assert sign_ins.environments() == ("local", "prod")
    assert sign_ins.remove("local")
    assert not sign_ins.remove("local")
    assert sign_ins.environments() == ("prod",)


def test_token_is_renewed_and_kept__its_time_has_come(platform: FakePlatform, sign_ins: CredentialStore) -> None:
    sign_ins.save(credentials(expires_in_s=30))
    with connect("local") as client:
        assert client.run("run_1")["run_id"] == "run_1"
    kept = sign_ins.load("local")
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("token-2", "refresh-1")
    assert kept.is_fresh(time.time())


def test_token_is_renewed_once__api_refuses_it_early(platform: FakePlatform, sign_ins: CredentialStore) -> None:
    platform.token = "token-of-another-deployment"
    with connect("local") as client:
        assert client.run("run_1")["run_id"] == "run_1"
    assert [request.url.path for request in platform.requests].count("/idp/") == 1


def test_person_is_told_to_sign_in_again__refresh_token_revoked(
    platform: FakePlatform, sign_ins: CredentialStore
) -> None:
    sign_ins.save(credentials("prod", expires_in_s=0, refresh_token="revoked"))
    with pytest.raises(SignInError, match="abtest login --env prod"), connect("prod") as client:
        client.run("run_1")


def test_nobody_is_signed_in__says_how(sign_ins: CredentialStore) -> None:
    with pytest.raises(SignInError, match="abtest login --env prod --url"):
        connect("prod")
    sign_ins.remove("local")
    with pytest.raises(SignInError, match="abtest up"):
        connect("local")


def test_token_of_the_environment_stands_in__pipeline(
    platform: FakePlatform, sign_ins: CredentialStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABTEST_TOKEN", "token-1")
    monkeypatch.setenv("ABTEST_API_URL", API)
    with connect("anything") as client:
        assert client.run("run_1")["run_id"] == "run_1"
        platform.token = "changed"
        with pytest.raises(SignInError, match="ABTEST_TOKEN"):
            client.run("run_1")


def test_login_keeps_tokens_and_no_password__command(
    platform: FakePlatform,
    sign_ins: CredentialStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ABTEST_PASSWORD", "s3cret-word")
    assert run_cli(["login", "--env", "dev", "--url", API + "/", "--username", "ada@abtest.example"]) == 0
    kept = sign_ins.load("dev")
    assert kept is not None
    assert (kept.api_url, kept.access_token, kept.refresh_token) == (API, "token-1", "refresh-1")
    assert "s3cret-word" not in sign_ins.path.read_text() + "".join(capsys.readouterr())


def test_login_is_refused__no_address_or_plain_http(
    sign_ins: CredentialStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["login", "--env", "dev"]) == 2
    assert run_cli(["login", "--env", "dev", "--url", "http://api.example.com"]) == 2
    assert "https://" in capsys.readouterr().err
