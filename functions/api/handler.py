"""The REST API: parse, one service call, map the result. Each resource has a file in `routes`."""

from __future__ import annotations

from routes import datasets, health, judges, labels, providers, rows, runs, tests

from abtest.runtime.http_function import http_function

lambda_handler = http_function(
    *(resource.router for resource in (health, datasets, judges, providers, runs, rows, labels, tests))
)
