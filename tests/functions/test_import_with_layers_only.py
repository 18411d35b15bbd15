"""Each handler is imported with only its layers on the path: what is installed here for the rest does not help it."""

from __future__ import annotations

from pathlib import Path

import pytest
from function_tools import FOLDERS, FUNCTIONS
from layered_process import REPOSITORY, distributions, modules_of, run_layered

from infra.functions import FUNCTIONS as ROWS

DEPENDENCIES, STATISTICS = "dependencies", "statistics"
LAYERS = {row.folder: (DEPENDENCIES, *row.layers) for row in ROWS}
ANALYSIS = sorted(folder for folder, layers in LAYERS.items() if STATISTICS in layers)

# What a function imports only when it is asked for: the price list, a judge's library, the check of an address.
LATE = {
    "api": """
from datetime import UTC, datetime
from abtest.adapters.addresses import check_base_url
from abtest.analytics.power.detectable import detectable_effect_binary
from abtest.contracts.records import Usage
from abtest.evaluation.registry import describe_judges
from abtest.evaluation.validation import check_parameters
from abtest.providers.registration import ModelProvider
from abtest.providers.pricing import price_of
assert 0 < detectable_effect_binary(100, alpha=0.05) < 1
assert check_parameters("json_schema", {"schema": {"type": "object"}}) == []
assert len(describe_judges()) > 5
check_base_url("http://127.0.0.1/v1", allow_private=True)
openai = ModelProvider(id="openai", vendor="openai_chat")
price_of(openai, "gpt-4o", Usage(input_tokens=1, output_tokens=1), datetime.now(UTC))
from abtest.providers.tokens import count_tokens
assert count_tokens("o200k_base", "hello world") == 2
from abtest.evaluation.labels.model import LabelQuestion, SheetItem
from abtest.reporting.label_page import render_label_page
from abtest.runtime.label_sheets import make_sheet
from abtest.runtime.labelling import import_labels
question = LabelQuestion(metric="m", kind="binary", text="?", judges=("m",), peers=("m",))
assert "item_1" in render_label_page("sheet_1", question, [SheetItem(item="item_1", responses=("yes",))])
""",
    "plan_analysis": """
from abtest.analytics.power.plan import plan_power
from abtest.analytics.power.request import PowerRequest
assert plan_power(PowerRequest(metric="mean", sd_difference=1, effect=0.5)).samples == 34
import sys
assert "scipy.stats" not in sys.modules
""",
    "analyse_labels": """
import sys
assert "scipy.stats" not in sys.modules
""",
    "check_provider": """
from abtest.adapters.http import HttpxTransport
from abtest.adapters.secrets import ProviderSecrets
from abtest.core import registry
from abtest.providers import vendors
for name in registry.names(vendors):
    registry.load(vendors, name, "CODEC")
import abtest.adapters.http
import abtest.adapters.signing
import genai_prices
""",
    "try_judge": """
from abtest.adapters.dynamodb.judge_templates import DynamoTemplateStore
from abtest.adapters.http import HttpxTransport
from abtest.adapters.secrets import ProviderSecrets
from abtest.core import registry
from abtest.evaluation.registry import describe_templates, judge_types, load_judge
from abtest.evaluation.trial import TrialBody, compiled, questions_of, trial_of
from abtest.providers import vendors
for name in registry.names(vendors):
    registry.load(vendors, name, "CODEC")
for name in judge_types():
    load_judge(name)
assert {"rubric", "pairwise"} <= {one["name"] for one in describe_templates()}
judge = {"type": "rubric", "provider": "p", "model": "m", "dimensions": ["accuracy"]}
trial = trial_of(TrialBody.model_validate({"judge": judge, "answer": "Paris"}))
(question,) = questions_of(trial, compiled(trial, "judge"))
assert "Paris" in question.messages[1][1]
import abtest.adapters.signing
import genai_prices
""",
    "call_provider": """
from abtest.core import registry
from abtest.providers import vendors
for name in registry.names(vendors):
    registry.load(vendors, name, "CODEC")
import genai_prices
""",
    "poll_batches": """
from abtest.adapters.http import HttpxTransport
from abtest.adapters.queues import SqsBatchQueue
from abtest.adapters.secrets import ProviderSecrets
from abtest.providers.batches.registry import offers_batches, vendor_names
from abtest.providers.registration import ModelProvider
assert all(offers_batches(ModelProvider(id="p", vendor=name)) for name in vendor_names())
import genai_prices
""",
    "judge_batch": """
from abtest.contracts.records import ModelResponse, Sample
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.registry import judge_types, load_judge
from abtest.evaluation.service import judge_batch
for name in judge_types():
    load_judge(name)
for name in ("edit_distance", "rouge_l"):
    load_judge(name).compile(load_judge(name).Parameters())
judge = JudgeConfiguration(name="j", type="json_schema", parameters={"schema": {"type": "object"}})
answer = ModelResponse(sample_id="s", variant="a", outcome="answered", text="{}")
(verdict,) = judge_batch(judge, [Sample(id="s")], {"a": [answer]})
assert verdict.score == 1
""",
}


def test_every_function_has_its_row_of_layers() -> None:
    assert set(LAYERS) == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_handler_is_imported__with_its_layers_only(folder: str) -> None:
    code = f"import handler\nassert callable(handler.lambda_handler)\n{LATE.get(folder, '')}"

    process = run_layered(code, LAYERS[folder], FUNCTIONS / folder)

    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("folder", sorted(set(FOLDERS) - set(ANALYSIS)))
def test_function_that_does_not_analyse_needs_no_statistics__at_import(folder: str) -> None:
    assert LAYERS[folder] == (DEPENDENCIES,)


def test_every_module_of_the_product_is_imported__with_both_layers() -> None:
    package = REPOSITORY / "layers/shared/python"
    names = [
        ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.glob("abtest/**/*.py"))
    ]
    code = f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"

    process = run_layered(code, (DEPENDENCIES, STATISTICS))

    assert process.returncode == 0, process.stderr
    assert len(names) > 80


@pytest.mark.parametrize("module", ["numpy", "scipy.stats"])
def test_numbers_are_only_there__with_the_statistics_layer(module: str) -> None:
    without = run_layered(f"import {module}", (DEPENDENCIES,))

    assert "in the function's layers" in without.stderr
    assert run_layered(f"import {module}", (DEPENDENCIES, STATISTICS)).returncode == 0


@pytest.mark.parametrize(
    "module", ["typer", "rich", "ministack", "aws_cdk", "moto", "pytest", "hypothesis", "yaml", "abtest_cli", "infra"]
)
def test_what_no_layer_has_cannot_be_imported(module: str, tmp_path: Path) -> None:
    process = run_layered(f"import {module}", (DEPENDENCIES, STATISTICS), tmp_path)

    assert f"No module named '{module}' in the function's layers" in process.stderr


def test_requirement_files_are_read__whole() -> None:
    assert {"pydantic", "aiohttp", "jinja2", "genai-prices"} <= distributions(DEPENDENCIES)
    assert distributions(STATISTICS) == {"numpy", "scipy"}
    assert {"aws_lambda_powertools", "jwt"} & modules_of(distributions(DEPENDENCIES)) == {"aws_lambda_powertools"}
