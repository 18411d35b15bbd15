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


def waves(workspace: str, run_id: str) -> str:
    """Prefix of everything of all waves, without the closing slash."""
    return f"{_run(workspace, run_id)}/waves"


def wave(workspace: str, run_id: str, wave_index: int) -> str:
    """Prefix of everything of one wave, without the closing slash."""
    return f"{waves(workspace, run_id)}/{wave_index:04d}"


def generate_manifest(workspace: str, run_id: str, wave_index: int) -> str:
    """Manifest of GenerateResponses."""
    return f"{wave(workspace, run_id, wave_index)}/generate.jsonl"


def judge_manifest(workspace: str, run_id: str, wave_index: int) -> str:
    """Manifest of JudgeResponses: judges in code."""
    return f"{wave(workspace, run_id, wave_index)}/judge.jsonl"


def ask_manifest(workspace: str, run_id: str, wave_index: int) -> str:
    """Manifest of AskJudges."""
    return f"{wave(workspace, run_id, wave_index)}/ask.jsonl"


def escalation_manifest(workspace: str, run_id: str, wave_index: int) -> str:
    """Manifest of AskJudges where panels disagree."""
    return f"{wave(workspace, run_id, wave_index)}/escalate.jsonl"


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


def judge_calls(workspace: str, run_id: str, wave_index: int, judge: str, batch: int, *, fallback: int) -> str:
    """What one model of a judge was asked about one batch, and what it wrote."""
    return f"{wave(workspace, run_id, wave_index)}/judge_calls/{judge}/{fallback}/{batch:05d}.jsonl"


def judge_pinned(workspace: str, run_id: str, judge: str) -> str:
    """What a judge said in this run of its pinned examples."""
    return f"{_run(workspace, run_id)}/pinned/{judge}.jsonl"


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


def labels(workspace: str, run_id: str) -> str:
    """Prefix of everything people label of a run, without the closing slash.

    A folder of its own, so that who may write labels can write nothing else of a run.
    """
    return f"labels/{workspace}/{run_id}"


def labelling_sheets(workspace: str, run_id: str) -> str:
    """Prefix of the sheets, each kept with the key that nobody is shown."""
    return f"{labels(workspace, run_id)}/sheets/"


def labelling_sheet(workspace: str, run_id: str, sheet_id: str) -> str:
    """One sheet as it is kept."""
    return f"{labelling_sheets(workspace, run_id)}{sheet_id}.json"


def labelling_file(workspace: str, run_id: str, sheet_id: str, format_name: str) -> str:
    """One sheet as people get it: `csv`, `jsonl` or `html`."""
    return f"{labels(workspace, run_id)}/files/{sheet_id}.{format_name}"


def label_imports(workspace: str, run_id: str) -> str:
    """Prefix of the labels, an object an import."""
    return f"{labels(workspace, run_id)}/imports/"


def label_import(workspace: str, run_id: str, import_id: str) -> str:
    """The labels that came in together."""
    return f"{label_imports(workspace, run_id)}{import_id}.json"
