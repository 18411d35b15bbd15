"""The platform's HTTPS API, typed: one method a route, the platform's own errors, careful retries.

Depends on: httpx. Used by: every command that speaks to a platform, local or on AWS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import httpx

from abtest import __version__
from abtest_cli.addresses import checked_url, is_loopback
from abtest_cli.errors import ApiUnreachableError, UsageError
from abtest_cli.problems import error_of

JsonObject = dict[str, Any]
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_TRANSFER_TIMEOUT = httpx.Timeout(300.0, connect=5.0)
_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.2
_PARALLEL_DOWNLOADS = 8
_TEMPORARY = frozenset({502, 503, 504})


@dataclass(frozen=True)
class BatchRows:
    """The rows of one batch of a run, as JSONL.

    Args:
        samples: `Sample` rows.
        responses: `ModelResponse` rows, one body for each variant.
    """

    samples: bytes
    responses: tuple[bytes, ...]


class TokenSource(Protocol):
    """Where access tokens come from."""

    def access_token(self, *, renew: bool = False) -> str | None:
        """Return a bearer token, or None for routes that need none.

        Args:
            renew: the last one was refused; get another.
        """
        ...


class Anonymous:
    """Nobody: for the public routes."""

    def access_token(self, *, renew: bool = False) -> str | None:
        """Return None."""
        del renew
        return None


class ApiClient:
    """A client of one platform. Only GET is retried: no other request is repeated behind a person's back.

    Args:
        api_url: base of the API, without `/v1`.
        tokens: where access tokens come from.
        transport: what carries requests; None is the network.
        sleep: waits some seconds between attempts.
    """

    def __init__(
        self,
        api_url: str,
        tokens: TokenSource,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.api_url = checked_url(api_url, "the API's address")
        self._tokens = tokens
        self._sleep = sleep
        agent = {"User-Agent": f"abtest-cli/{__version__}"}
        # A proxy of the environment must not see what stays on this machine.
        network = not is_loopback(self.api_url)
        self._api = httpx.Client(transport=transport, timeout=_TIMEOUT, headers=agent, trust_env=network)
        # Bodies go straight to the bucket, by signed addresses: the bearer token must not travel with them.
        self._files = httpx.Client(transport=transport, timeout=_TRANSFER_TIMEOUT, headers=agent, trust_env=network)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._files.close()

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def health(self) -> JsonObject:
        """Return the environment, the version and where to sign in; needs no token."""
        return self._request("GET", "/v1/health")

    def judges(self) -> list[JsonObject]:
        """Return the judge types."""
        return list(self._request("GET", "/v1/judges")["items"])

    def judge_dimensions(self) -> list[JsonObject]:
        """Return the built-in dimensions of judges."""
        return list(self._request("GET", "/v1/judges/dimensions")["items"])

    def judge_templates(self) -> list[JsonObject]:
        """Return the templates of judges, without their texts."""
        return list(self._request("GET", "/v1/judges/templates")["items"])

    def judge_template(self, name: str, version: int | None = None) -> JsonObject:
        """Return one version of a template with its texts; None is the latest."""
        query = "" if version is None else f"?version={version}"
        return self._request("GET", f"/v1/judges/templates/{_part(name)}{query}")

    def put_judge_template(self, name: str, body: Mapping[str, Any]) -> JsonObject:
        """Keep texts as the next version of a template."""
        return self._request("PUT", f"/v1/judges/templates/{_part(name)}", body=body)

    def try_judge(self, body: Mapping[str, Any]) -> JsonObject:
        """Have a judge tried on an answer or pair; a failed call is a result."""
        return self._request("POST", "/v1/judges/try", body=body)

    def providers(self) -> list[JsonObject]:
        """Return the registered providers."""
        return list(self._request("GET", "/v1/providers")["items"])

    def put_provider(self, provider_id: str, body: Mapping[str, Any]) -> JsonObject:
        """Register a provider or change its registration."""
        return self._request("PUT", f"/v1/providers/{_part(provider_id)}", body=body)

    def check_provider(self, provider_id: str, model: str) -> JsonObject:
        """Have a provider's model called once; a failed call is a result."""
        return self._request("POST", f"/v1/providers/{_part(provider_id)}/check", body={"model": model})

    def provider_health(self, provider_id: str, model: str) -> JsonObject:
        """Return how a provider's model did lately."""
        query = urlencode({"model": model}, quote_via=quote, safe="")
        return self._request("GET", f"/v1/providers/{_part(provider_id)}/health?{query}")

    def upload_dataset(self, name: str, kind: str, rows: bytes) -> str:
        """Upload rows and return the version under which they are frozen.

        Args:
            name: for people.
            kind: `samples`, `recording` or `scores`.
            rows: JSONL.
        """
        body = {"name": name, "kind": kind, "size_bytes": len(rows)}
        created = self._request("POST", "/v1/datasets", body=body)
        upload = created["upload"]
        url = checked_url(upload["url"], "the upload's address")
        with _reachable(url):
            response = self._files.request(upload["method"], url, content=rows, headers=upload["headers"])
        if response.is_error:
            raise ApiUnreachableError(
                f"The bucket refused the upload of {name} (status {response.status_code}). Try again; if it stays, the "
                "platform's administrator finds the reason in the bucket's access log."
            )
        return str(self._request("POST", f"/v1/datasets/{created['dataset_id']}/complete")["version"])

    def create_test(self, definition: Mapping[str, Any]) -> JsonObject:
        """Create a test; the answer carries its estimate and warnings."""
        return self._request("POST", "/v1/tests", body=definition)

    def start_run(self, test_id: str, idempotency_key: str) -> JsonObject:
        """Start a run; the same key starts nothing twice."""
        return self._request("POST", f"/v1/tests/{_part(test_id)}/runs", headers={"Idempotency-Key": idempotency_key})

    def run(self, run_id: str) -> JsonObject:
        """Return where a run stands."""
        return self._request("GET", f"/v1/runs/{_part(run_id)}")

    def analysis(self, run_id: str) -> JsonObject:
        """Return the analysis of a completed run."""
        return self._request("GET", f"/v1/runs/{_part(run_id)}/analysis")

    def cancel_run(self, run_id: str) -> JsonObject:
        """Ask a run to stop."""
        return self._request("POST", f"/v1/runs/{_part(run_id)}/cancel")

    def rejudge_run(self, run_id: str, body: Mapping[str, Any], *, idempotency_key: str | None) -> JsonObject:
        """Have a run's answers judged anew, or with `dry_run` in the body only checked and estimated."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key is not None else {}
        return self._request("POST", f"/v1/runs/{_part(run_id)}/rejudge", body=body, headers=headers)

    def create_labelling_sheet(self, run_id: str, body: Mapping[str, Any]) -> JsonObject:
        """Have answers of a run chosen and hidden for people to label."""
        return self._request("POST", f"/v1/runs/{_part(run_id)}/labelling-sheets", body=body)

    def add_labels(self, run_id: str, body: Mapping[str, Any]) -> JsonObject:
        """Send one person's labels on a sheet."""
        return self._request("POST", f"/v1/runs/{_part(run_id)}/labels", body=body)

    def labels(self, run_id: str) -> JsonObject:
        """Return what people labelled so far."""
        return self._request("GET", f"/v1/runs/{_part(run_id)}/labels")

    def label_analysis(self, run_id: str, metric: str) -> JsonObject:
        """Return what people's labels say of one metric."""
        query = urlencode({"metric": metric}, quote_via=quote, safe="")
        return self._request("GET", f"/v1/runs/{_part(run_id)}/labels/analysis?{query}")

    def download(self, url: str) -> bytes:
        """Return what stands at a signed address of the platform."""
        return self._get_file(checked_url(url, "a download's address"))

    def download_artifacts(self, run_id: str, folder: Path) -> dict[str, Path]:
        """Write a run's files into a folder and return their paths by name; none is left half written."""
        artifacts = self._request("GET", f"/v1/runs/{_part(run_id)}/artifacts")["artifacts"]
        folder.mkdir(parents=True, exist_ok=True)
        written = {}
        for name, artifact in artifacts.items():
            # The name comes from a server: only its last part may name a file.
            target = folder / Path(name).name
            part = target.with_name(f".{target.name}.part")
            part.write_bytes(self._get_file(checked_url(artifact["url"], "a download's address")))
            written[name] = part.replace(target)
        return written

    def run_rows(self, run_id: str) -> Iterator[BatchRows]:
        """Return the samples and responses of a run that has ended, batch by batch, downloaded as they are needed."""
        cursor = ""
        while True:
            page = self._request("GET", f"/v1/runs/{_part(run_id)}/rows{cursor}")
            with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
                yield from pool.map(self._batch_rows, page["items"])
            if page["next_cursor"] is None:
                return
            cursor = "?" + urlencode({"cursor": page["next_cursor"]})

    def _batch_rows(self, batch: JsonObject) -> BatchRows:
        files = [batch["samples"], *batch["responses"].values()]
        samples, *responses = [self._get_file(checked_url(file["url"], "a download's address")) for file in files]
        return BatchRows(samples, tuple(responses))

    def _get_file(self, url: str) -> bytes:
        response = self._repeated(lambda: self._files.get(url, follow_redirects=False), url)
        if response.is_error:
            raise ApiUnreachableError(
                f"A file of the run could not be downloaded (status {response.status_code}). Links last 15 minutes; "
                "the same command gets new ones."
            )
        return response.content

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonObject:
        def send(*, renew: bool = False) -> httpx.Response:
            token = self._tokens.access_token(renew=renew)
            sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
            with _reachable(self.api_url):
                return self._api.request(method, self.api_url + path, json=body, headers=sent)

        response = self._repeated(send, self.api_url) if method == "GET" else send()
        if response.status_code == 401:
            # The token may have been revoked or its pool replaced although its time had not come.
            response = send(renew=True)
        if response.status_code >= 300:
            raise error_of(response, f"{method} {path}")
        try:
            data = response.json()
        except ValueError as error:
            raise ApiUnreachableError(_not_an_api(self.api_url)) from error
        if not isinstance(data, dict):
            raise ApiUnreachableError(_not_an_api(self.api_url))
        return data

    def _repeated(self, send: Callable[[], httpx.Response], url: str) -> httpx.Response:
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                with _reachable(url):
                    response = send()
                if last or response.status_code not in _TEMPORARY:
                    return response
            except ApiUnreachableError:
                if last:
                    raise
            self._sleep(_FIRST_PAUSE_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def _part(identifier: str) -> str:
    """Return an identifier as one part of a path: whatever a person typed, it leads nowhere else.

    Raises:
        UsageError: it would be no part of a path.
    """
    if identifier in ("", ".", ".."):
        raise UsageError(f"{identifier!r} identifies nothing: a name or an identifier is needed.")
    return quote(identifier, safe="")


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        where = url.split("?", maxsplit=1)[0]  # a signed address carries its signature behind the question mark
        help_local = "Is the local stack up? `abtest status` tells, `abtest up` starts it."
        help_remote = "Check the address and the network."
        raise ApiUnreachableError(
            f"No answer from {where} ({type(error).__name__}: {error}). "
            f"{help_local if is_loopback(url) else help_remote}"
        ) from error


def _not_an_api(url: str) -> str:
    return f"What answers at {url} is not this platform's API. Check the address given to `abtest login --url`."
