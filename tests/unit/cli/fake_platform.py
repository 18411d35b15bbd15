"""A platform in memory behind httpx's mock transport: the API's contract as far as the command line uses it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from abtest.evaluation.registry import describe_dimensions, describe_judges, describe_templates
from abtest_cli.credentials import Credentials

API = "http://127.0.0.1:9/api"
BUCKET = "http://127.0.0.1:9/bucket"
IDP = "http://127.0.0.1:9/idp"


def credentials(
    environment: str = "local", *, expires_in_s: float = 600, refresh_token: str = "refresh-1"
) -> Credentials:
    expires_at = time.time() + expires_in_s
    return Credentials(environment, API, IDP, "client", "ada@abtest.example", "token-1", refresh_token, expires_at)


def problem(status: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None) -> httpx.Response:
    body = {"type": f"urn:abtest:problem:{code}", "title": code, "status": status, "code": code, "detail": detail}
    body |= {"errors": errors or [], "request_id": "req-1"}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def run_item(
    status: str = "COMPLETED", phase: str = "done", done: int = 4, judged: int = 4, **more: Any
) -> dict[str, Any]:
    return {
        "run_id": "run_1",
        "test_id": "test_1",
        "test_name": "tiny",
        "status": status,
        "phase": phase,
        "progress": {
            "responses": {"done": done, "total": 4, "failed": 0, "from_ledger": 0},
            "verdicts": {"done": judged, "total": 4},
        },
        "spent_usd": "0",
        "verdict": {"decision": "undecided", "sentence": "No difference was found."} if status == "COMPLETED" else None,
        "error": None,
        **more,
    }


@dataclass
class FakePlatform:
    """Answers the requests of one test; `runs` are the states that successive looks at the run see."""

    runs: list[dict[str, Any]] = field(default_factory=lambda: [run_item()])
    token: str = "token-1"
    next_token: str = "token-2"
    cost_usd_max: str | None = "0"
    analysis: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    health: dict[str, dict[str, Any]] = field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    trial: dict[str, Any] = field(default_factory=dict)
    interrupt_on_look: bool = False
    requests: list[httpx.Request] = field(default_factory=list)
    definition: dict[str, Any] | None = None

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        url = str(request.url)
        if url.startswith(BUCKET):
            return self._bucket(request)
        if url.startswith(IDP):
            return self._idp(request)
        path = url.removeprefix(API)
        if path == "/v1/health":
            facts = {"issuer": "x", "client_id": "client", "region": None, "idp_endpoint_url": IDP}
            return httpx.Response(200, json={"status": "ok", "environment": "dev", "version": "1", "sign_in": facts})
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"message": "Unauthorized"})
        return self._api(request.method, path, request)

    def _api(self, method: str, path: str, request: httpx.Request) -> httpx.Response:
        if (method, path) == ("POST", "/v1/datasets"):
            upload = {
                "method": "PUT",
                "url": f"{BUCKET}/rows?sig=1",
                "headers": {"content-type": "application/x-ndjson"},
            }
            return httpx.Response(201, json={"dataset_id": "dataset_1", "status": "awaiting_upload", "upload": upload})
        if (method, path) == ("POST", "/v1/datasets/dataset_1/complete"):
            rows = next(r for r in reversed(self.requests) if r.method == "PUT").content
            return httpx.Response(200, json={"version": hashlib.sha256(rows).hexdigest(), "rows": 4})
        if (method, path) == ("POST", "/v1/tests"):
            self.definition = json.loads(request.content)
            return httpx.Response(201, json=self._test())
        if (method, path) == ("POST", "/v1/tests/test_1/runs"):
            return httpx.Response(202, json=run_item("RUNNING", "planning", 0, 0))
        if (method, path) == ("GET", "/v1/runs/run_1"):
            if self.interrupt_on_look:
                raise KeyboardInterrupt
            return httpx.Response(200, json=self.runs.pop(0) if len(self.runs) > 1 else self.runs[0])
        if (method, path) == ("POST", "/v1/runs/run_1/cancel"):
            return httpx.Response(202, json=run_item("RUNNING", "generating", 1, 0))
        if (method, path) == ("GET", "/v1/runs/run_1/artifacts"):
            names = ("report.html", "analysis.json", "samples.csv") if self.analysis else ("report.html",)
            return httpx.Response(200, json={"artifacts": {n: {"url": f"{BUCKET}/{n}?sig=1"} for n in names}})
        if (method, path) == ("POST", "/v1/runs/run_0/rejudge"):
            return self._rejudge(json.loads(request.content))
        if (method, path) == ("GET", "/v1/providers"):
            return httpx.Response(200, json={"items": [{"id": "replay", "vendor": "replay", "prices": {}}]})
        if method == "POST" and path.startswith("/v1/providers/") and path.endswith("/check"):
            return httpx.Response(200, json=self.checks[json.loads(request.content)["model"]])
        if method == "GET" and "/health?" in path:
            return httpx.Response(200, json=self.health[request.url.params["model"]])
        if method == "PUT" and path.startswith("/v1/providers/"):
            return httpx.Response(200, json=json.loads(request.content))
        if path.startswith("/v1/judges"):
            return self._judges(method, path.removeprefix("/v1/judges"), request)
        return problem(404, "not_found", f"There is nothing at {path}.")

    def _rejudge(self, body: dict[str, Any]) -> httpx.Response:
        if not body.get("dry_run"):
            return httpx.Response(202, json=run_item("RUNNING", "planning", 0, 0, rejudges="run_0"))
        planned = self._test()
        asked = {"judge": "quality", "provider": "local", "model": "j", "calls": 8, "input_tokens": 900}
        asked |= {"output_tokens_max": 800, "cost_usd_max": self.cost_usd_max, "price_source": "configured"}
        planned["estimate"] |= {"calls": 8, "by_judge": [asked]}
        return httpx.Response(200, json={"rejudges": "run_0", "definition": {}, **planned})

    def _judges(self, method: str, path: str, request: httpx.Request) -> httpx.Response:
        """Answer from the product's own tables, and for templates and trials what the test says."""
        if (method, path) == ("GET", ""):
            return httpx.Response(200, json={"items": describe_judges()})
        if (method, path) == ("GET", "/dimensions"):
            return httpx.Response(200, json={"items": describe_dimensions()})
        if (method, path) == ("GET", "/templates"):
            built_in = [{**one, "built_in": True} for one in describe_templates()]
            return httpx.Response(200, json={"items": [*built_in, *self.templates.values()]})
        if (method, path) == ("POST", "/try"):
            return httpx.Response(200, json=self.trial)
        name = request.url.path.rpartition("/")[2]
        if method == "PUT":
            kept = {"name": name, "version": 3, **json.loads(request.content)}
            return httpx.Response(200, json=kept)
        found = {one["name"]: {**one, "built_in": True} for one in describe_templates()} | self.templates
        if name in found:
            return httpx.Response(200, json=found[name])
        return problem(404, "not_found", f"There is no template {name!r} in workspace 'default'.")

    def _test(self) -> dict[str, Any]:
        row = {"variant": "a", "provider": "replay", "model": "m", "calls": 0, "input_tokens": 0}
        row |= {"output_tokens_max": 0, "cost_usd_max": self.cost_usd_max, "price_source": None}
        totals = {
            "samples": 4,
            "calls": 0,
            "input_tokens": 0,
            "output_tokens_max": 0,
            "cost_usd_max": self.cost_usd_max,
        }
        totals |= {"duration_s_at_least": 0.0, "detectable_effect": 0.2, "by_variant": [row], "notes": []}
        return {"test_id": "test_1", "status": "READY", "estimate": totals, "warnings": ["Only 4 samples."]}

    def _bucket(self, request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers, "the bearer token must not travel to the bucket"
        if request.method == "PUT":
            return httpx.Response(200)
        if "analysis.json" in str(request.url):
            return httpx.Response(200, json=self.analysis)
        return httpx.Response(200, text="<html></html>")

    def _idp(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        parameters = body.get("AuthParameters", {})
        if parameters.get("PASSWORD") == "wrong":
            return httpx.Response(
                400, json={"__type": "NotAuthorizedException", "message": "Incorrect username or password."}
            )
        if parameters.get("PASSWORD") == "temporary":
            return httpx.Response(200, json={"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s1"})
        if body.get("ChallengeName") == "NEW_PASSWORD_REQUIRED":
            return httpx.Response(200, json={"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "s2"})
        if parameters.get("PASSWORD") == "setup":
            return httpx.Response(200, json={"ChallengeName": "MFA_SETUP", "Session": "s1"})
        if parameters.get("REFRESH_TOKEN") == "revoked":
            return httpx.Response(
                400, json={"__type": "NotAuthorizedException", "message": "Refresh Token has been revoked"}
            )
        if body.get("AuthFlow") == "REFRESH_TOKEN_AUTH":
            self.token = self.next_token
            return httpx.Response(200, json={"AuthenticationResult": {"AccessToken": self.token, "ExpiresIn": 600}})
        result = {"AccessToken": self.token, "RefreshToken": "refresh-1", "ExpiresIn": 600}
        return httpx.Response(200, json={"AuthenticationResult": result})
