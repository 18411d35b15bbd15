"""Where bodies live in the bucket: the one place that spells S3 keys.

Depends on: nothing. Used by: planning, the workers, the analysis, the API.
"""

from __future__ import annotations

JSONL = "application/x-ndjson"
"""Media type of rows."""
ANALYSIS = "analysis.json"
REPORT = "report.html"
SAMPLES = "samples.csv"
ARTIFACTS = (REPORT, ANALYSIS, SAMPLES)


def upload(workspace: str, dataset_id: str) -> str:
    """Raw rows as they were uploaded."""
    return f"uploads/{workspace}/{dataset_id}.jsonl"


def dataset_rows(workspace: str, version: str) -> str:
    """Canonical rows of a frozen dataset or recording."""
    return f"datasets/{workspace}/{version}.jsonl"


def _run(workspace: str, run_id: str) -> str:
    return f"runs/{workspace}/{run_id}"


def frozen(workspace: str, run_id: str) -> str:
    """What the run was started with."""
    return f"{_run(workspace, run_id)}/frozen.json"


def wave(workspace: str, run_id: str, wave_index: int) -> str:
    """Prefix of everything of one wave, without the closing slash."""
    return f"{_run(workspace, run_id)}/waves/{wave_index:04d}"


def generate_manifest(workspace: str, run_id: str, wave_index: int) -> str:
    """Manifest of GenerateResponses."""
    return f"{wave(workspace, run_id, wave_index)}/generate.jsonl"


def judge_manifest(workspace: str, run_id: str, wave_index: int) -> str:
    """Manifest of JudgeResponses."""
    return f"{wave(workspace, run_id, wave_index)}/judge.jsonl"


def map_results(workspace: str, run_id: str, wave_index: int) -> str:
    """Prefix for what Step Functions writes about a map; nothing reads it."""
    return f"{_run(workspace, run_id)}/maps/{wave_index:04d}"


def samples(workspace: str, run_id: str, wave_index: int, batch: int) -> str:
    """Samples of one batch."""
    return f"{wave(workspace, run_id, wave_index)}/samples/{batch:05d}.jsonl"


def responses(workspace: str, run_id: str, wave_index: int, variant: str, batch: int) -> str:
    """Responses of one batch x one variant."""
    return f"{wave(workspace, run_id, wave_index)}/responses/{variant}/{batch:05d}.jsonl"


def verdicts(workspace: str, run_id: str, wave_index: int, judge: str, batch: int) -> str:
    """Verdicts of one batch x one judge."""
    return f"{wave(workspace, run_id, wave_index)}/verdicts/{judge}/{batch:05d}.jsonl"


def look_state(workspace: str, run_id: str, wave_index: int) -> str:
    """Sums of the primary metric over all waves up to this one."""
    return f"{wave(workspace, run_id, wave_index)}/look_state.json"


def look(workspace: str, run_id: str, wave_index: int) -> str:
    """What the look after this wave saw and decided."""
    return f"{wave(workspace, run_id, wave_index)}/look.json"


def artifact(workspace: str, run_id: str, name: str) -> str:
    """One of `ARTIFACTS`."""
    return f"{_run(workspace, run_id)}/result/{name}"


def portfolio(workspace: str, day: str, name: str) -> str:
    """The daily portfolio report: `portfolio.html` or `portfolio.json`, by UTC day."""
    return f"portfolio/{workspace}/{day}/{name}"
