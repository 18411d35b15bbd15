"""What several tests of the local stack share."""

from __future__ import annotations

from pathlib import Path

from abtest_cli.local.options import HomePaths
from abtest_cli.local.state import LocalState, ProcessRecord


def example_state(home: Path, *records: ProcessRecord) -> LocalState:
    return LocalState(
        instance="abc",
        port=4566,
        llm_port=None,
        auth=False,
        repository="/repository",
        fingerprint="f",
        processes=records,
        api_url="http://127.0.0.1:4566/_aws/execute-api/x/$default",
        outputs={"ApiId": "x"},
        username="somebody",
        credentials_path=str(HomePaths(home).credentials),
        timings={"total": 1.5},
    )
