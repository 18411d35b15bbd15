"""The client maps answers to the platform's own errors and repeats only what may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fake_platform import API, problem

from abtest.core.errors import (
    AbTestError,
    AccessDeniedError,
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
)
from abtest_cli.client import Anonymous, ApiClient
from abtest_cli.errors import ApiFailureError, ApiUnreachableError, SignInError, UsageError


def client_for(answer: Callable[[httpx.Request], httpx.Response], pauses: list[float] | None = None) -> ApiClient:
    sleep = (pauses if pauses is not None else []).append
    return ApiClient(API, Anonymous(), transport=httpx.MockTransport(answer), sleep=sleep)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(404, "not_found", "No such run."), NotFoundError),
        (problem(409, "conflict", "Not now."), ConflictError),
        (problem(409, "illegal_transition", "Not now."), IllegalTransitionError),
        (problem(403, "access_denied", "Not you."), AccessDeniedError),
        (problem(500, "internal_error", "It failed."), ApiFailureError),
        (problem(400, "a_code_of_tomorrow", "Hm."), ApiFailureError),
        (httpx.Response(401, json={"message": "Unauthorized"}), SignInError),
        (httpx.Response(403, json={"message": "Forbidden"}), AccessDeniedError),
        (httpx.Response(404, text="not here"), NotFoundError),
        (httpx.Response(429, text="slow down"), ApiFailureError),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), ApiUnreachableError),
        (httpx.Response(200, text="<html>a router's login page</html>"), ApiUnreachableError),
        (httpx.Response(200, json=[1]), ApiUnreachableError),
    ],
)
def test_answer_becomes_the_platforms_error__by_code_and_status(
    answer: httpx.Response, kind: type[AbTestError]
) -> None:
    with pytest.raises(AbTestError) as caught:
        client_for(lambda _: answer).run("run_1")
    assert type(caught.value) is kind
    assert caught.value.message


@pytest.mark.parametrize("run_id", ["../judges", "run_1?x=1", "run_1/cancel", "a b", "%2e%2e"])
def test_identifier_leads_nowhere_else__whatever_was_typed(run_id: str) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return problem(404, "not_found", "No such run.")

    with pytest.raises(NotFoundError):
        client_for(answer).run(run_id)
    path, _, query = asked[0].url.raw_path.partition(b"?")
    assert path.count(b"/") == httpx.URL(API).path.count("/") + 3
    assert query == b""


@pytest.mark.parametrize("run_id", ["", ".", ".."])
def test_identifier_that_is_none__is_not_asked_for(run_id: str) -> None:
    with pytest.raises(UsageError):
        client_for(lambda _: httpx.Response(500)).run(run_id)


def test_every_issue_survives__invalid_input() -> None:
    errors = [
        {"path": "control", "message": "no", "found": "x", "allowed": "a, b"},
        {"path": "id", "line": 7, "message": "y"},
    ]
    with pytest.raises(InvalidInputError) as caught:
        client_for(lambda _: problem(422, "invalid_input", "Cannot be used.", errors)).create_test({})
    assert [issue.sentence() for issue in caught.value.issues] == [
        "control: no (found x); allowed: a, b",
        "line 7, id: y",
    ]


def test_get_is_repeated_with_growing_pauses__until_the_api_is_back() -> None:
    answers = [httpx.Response(503), httpx.Response(502), httpx.Response(200, json={"status": "ok"})]
    pauses: list[float] = []
    assert client_for(lambda _: answers.pop(0), pauses).health() == {"status": "ok"}
    assert pauses == sorted(pauses)
    assert len(pauses) == 2


def test_get_gives_up__connection_refused_each_time() -> None:
    calls = []

    def refuse(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise httpx.ConnectError("refused")

    with pytest.raises(ApiUnreachableError, match="abtest up"):
        client_for(refuse).run("run_1")
    assert len(calls) == 4


def test_post_is_never_repeated__server_error_or_lost_connection() -> None:
    calls = []

    def lose(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise httpx.ReadError("lost")

    with pytest.raises(ApiUnreachableError):
        client_for(lose).start_run("test_1", "key")
    with pytest.raises(ApiFailureError):
        client_for(lambda r: calls.append(r) or httpx.Response(503)).start_run("test_1", "key")  # type: ignore[func-returns-value]
    assert len(calls) == 2


@pytest.mark.parametrize(
    "url", ["http://api.example.com", "ftp://x", "api.example.com", "http://127.0.0.1.example.com", ""]
)
def test_address_is_refused__passwords_would_travel_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError):
        ApiClient(url, Anonymous())


@pytest.mark.parametrize(
    "url", ["https://api.example.com/", "http://127.0.0.1:4566/x", "http://localhost:1", "http://[::1]:1"]
)
def test_address_is_taken__https_or_this_machine(url: str) -> None:
    assert not ApiClient(url, Anonymous()).api_url.endswith("/")


def test_download_stays_in_its_folder__server_names_a_path(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/artifacts"):
            return httpx.Response(200, json={"artifacts": {"../../evil.html": {"url": "http://127.0.0.1:9/x"}}})
        return httpx.Response(200, text="content")

    files = client_for(answer).download_artifacts("run_1", tmp_path / "a" / "b")
    assert list(files.values()) == [tmp_path / "a" / "b" / "evil.html"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["evil.html"]


def test_signature_is_not_shown__download_fails(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/artifacts"):
            return httpx.Response(200, json={"artifacts": {"report.html": {"url": "http://127.0.0.1:9/x?sig=secret"}}})
        raise httpx.ConnectError("refused")

    with pytest.raises(ApiUnreachableError) as caught:
        client_for(answer).download_artifacts("run_1", tmp_path)
    assert "secret" not in caught.value.message
