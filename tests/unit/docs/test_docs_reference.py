"""The reference tables say what the code says: nothing is missing, nothing is left over."""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
from documents import DOCS, ROOT, read, sections, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from abtest.analytics.model import Outcome as Decision
from abtest.analytics.model import Status
from abtest.analytics.power import request as power_request
from abtest.contracts import definition, records
from abtest.core import registry
from abtest.core.errors import AbTestError
from abtest.evaluation.registry import judge_types, load_judge
from abtest.management.lifecycle import TRANSITIONS
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import vendor_names
from abtest.runtime import http_errors
from abtest.runtime.settings import PREFIX, SETTINGS
from abtest_cli.main import app

FIELDS: list[tuple[str, str, type[BaseModel]]] = [
    ("test-definition.md", "The whole", definition.TestDefinition),
    ("test-definition.md", "Dataset", definition.DatasetReference),
    ("test-definition.md", "Variant", definition.Variant),
    ("test-definition.md", "Prompt", definition.Prompt),
    ("test-definition.md", "Message", definition.PromptMessage),
    ("test-definition.md", "Parameters", definition.Parameters),
    ("test-definition.md", "Judge", definition.JudgeConfiguration),
    ("test-definition.md", "Design", definition.Design),
    ("test-definition.md", "Budget", definition.Budget),
    ("test-definition.md", "Sample", records.Sample),
    ("test-definition.md", "Turn", records.Turn),
    ("test-definition.md", "Document", records.Document),
    ("test-definition.md", "Recording", records.Recording),
    ("test-definition.md", "Score", records.ImportedScore),
    ("providers.md", "Providers", ModelProvider),
    ("planning.md", "The request", power_request.PowerRequest),
    ("planning.md", "Clusters", power_request.ClusterPlan),
    ("planning.md", "Judges", power_request.JudgePlan),
    ("planning.md", "Answers", power_request.ResamplePlan),
    ("planning.md", "Looks", power_request.LookPlan),
    ("planning.md", "Cost and time", power_request.RunningCost),
]


def default_text(field: FieldInfo) -> str:
    """How a default stands in a table."""
    value = field.get_default(call_default_factory=True)
    if field.is_required() or value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "its defaults"
    if value is None or value == ():
        return "none"
    if value in ("", {}):
        return "empty"
    if isinstance(value, bool):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def limits(annotation: Any, metadata: list[Any]) -> set[str]:
    """Every number and word that the row must say: bounds of the value, choices of a literal."""
    found: set[str] = set()
    for item in metadata:
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length"):
            bound = getattr(item, name, None)
            if bound is not None:
                found.add(f"{bound:,}" if isinstance(bound, int) else f"{bound:g}")
    if get_origin(annotation) is Literal:
        found |= {f"`{choice}`" for choice in get_args(annotation)}
    return found


@pytest.mark.parametrize(("page", "heading", "model"), FIELDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_fields__stand_in_their_table(page: str, heading: str, model: type[BaseModel]) -> None:
    rows = table(sections(DOCS / page)[heading])
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(rows) == set(fields)
    for name, field in fields.items():
        _, _, default, *rest = rows[name]
        assert default == default_text(field), name
        words = " ".join(rest)
        for limit in limits(field.annotation, field.metadata):
            assert re.search(rf"(?<![\d.,]){re.escape(limit)}(?![\d]|[.,]\d)", words), f"{name}: {limit} in {words!r}"


def test_limits_of_parts__are_told() -> None:
    page = read(DOCS / "test-definition.md")
    assert "up to 63 letters, digits" in page
    assert "{0,63}" in str(definition.Name.__metadata__)
    assert "64 hexadecimal digits" in page
    assert "{64}" in str(definition.ContentVersion.__metadata__)


@pytest.mark.parametrize("name", judge_types())
def test_judge__has_a_section_with_all_options(name: str) -> None:
    judge = load_judge(name)
    text = sections(DOCS / "judges.md")[name]
    assert judge.summary in text
    assert "**Misleads**" in text
    rows = table(text)
    fields = {field.alias or name: field for name, field in judge.Parameters.model_fields.items()}
    assert set(rows) == set(fields)
    for option, field in fields.items():
        assert rows[option][2] == default_text(field), option
        for limit in limits(field.annotation, field.metadata):
            assert limit in rows[option][1], f"{option}: {limit}"


def test_judges__no_section_without_a_judge() -> None:
    found = [heading for heading in sections(DOCS / "judges.md") if re.fullmatch(r"[a-z0-9_]+", heading)]
    assert sorted(found) == list(judge_types())


def test_vendors__have_a_section() -> None:
    known = [heading for heading in sections(DOCS / "providers.md") if re.fullmatch(r"[a-z_]+", heading)]
    assert sorted(known) == sorted(vendor_names())


def routes() -> dict[str, tuple[str, int]]:
    """Route to the least role and the status of success, as the source says."""
    found = {}
    functions = ROOT / "functions"
    alone = [
        functions / folder / "handler.py"
        for folder in ("plan_analysis", "analyse_labels", "check_provider", "try_judge")
    ]
    for file in (*sorted((functions / "api/routes").glob("[a-z]*.py")), *alone):
        for function in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in function.decorator_list:
                assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
                assert isinstance(call.args[0], ast.Constant)
                path = str(call.args[0].value).replace("<", "{").replace(">", "}")
                inside = list(ast.walk(function))
                roles = [
                    n.attr.lower() for n in inside if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "Role"
                ]
                status = [
                    word.value.value
                    for node in inside
                    if isinstance(node, ast.Call)
                    for word in node.keywords
                    if word.arg == "status_code" and isinstance(word.value, ast.Constant)
                ]
                found[f"{call.func.attr.upper()} /v1{path}"] = ((roles or ["none"])[0], (status or [200])[0])
    return found


def test_routes__stand_with_role_and_status() -> None:
    documented = {}
    for heading, text in sections(DOCS / "api.md").items():
        if re.match(r"[A-Z]+ /", heading):
            says = re.search(r"^Role: (\w+)\. Answers (\d+)", text, re.MULTILINE)
            assert says, heading
            documented[heading] = (says[1], int(says[2]))
    assert len(documented) > 10
    assert documented == routes()


def errors(root: type[AbTestError]) -> list[type[AbTestError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in errors(child))]


def test_error_codes__stand_with_their_status() -> None:
    rows = table(sections(DOCS / "api.md")["Errors"])
    known = {kind.code: kind for kind in errors(AbTestError) if kind.__module__ == "abtest.core.errors"}
    assert set(rows) == {*known, "step_failed"}
    for code, kind in known.items():
        _, status, where, _ = rows[code]
        assert ("answers" in where) == bool(status), code
        if status:
            assert int(status) == http_errors.status_of(kind("message")), code


def test_failure_reasons_and_outcomes__are_explained() -> None:
    page = read(DOCS / "concepts.md")
    for word in (
        *get_args(records.Outcome),
        *get_args(records.FailureReason),
        *get_args(records.VerdictStatus),
        *get_args(Decision),
    ):
        assert f"`{word}`" in page, word


def test_lifecycle__every_step_is_drawn() -> None:
    page = read(DOCS / "concepts.md")
    for (before, event), after in TRANSITIONS.items():
        # A test is stored when it is READY: nobody sees a draft.
        if event != "validate":
            assert f"{before}-->{after}:{event}" in page.replace(" ", ""), event


def test_statistics__have_name_formula_and_source() -> None:
    from abtest.analytics import planning, sequential, statistics

    page = {h: text for path in sorted((DOCS / "statistics").glob("*.md")) for h, text in sections(path).items()}
    for package in (statistics, sequential, planning):
        for name in registry.names(package):
            method = registry.load(package, name, "STATISTIC")
            assert f"`{method.formula}`" in page[method.name], name
            assert re.split(r"[;,:(]", method.source)[0].strip() in page[method.name].replace("*", ""), name


def test_decisions_and_statuses__are_explained() -> None:
    page = sections(DOCS / "statistics.md")
    assert set(table(page["Degenerate cases"])) == set(get_args(Status))
    for outcome in get_args(Decision):
        assert f"`{outcome}`" in page["The decision"], outcome


def commands() -> dict[str, Any]:
    """Full name of each command to the command."""
    found: dict[str, Any] = {}

    def collect(name: str, command: Any) -> None:
        for child, below in getattr(command, "commands", {}).items():
            collect(f"{name} {child}", below)
        if not getattr(command, "commands", {}):
            found[name] = command

    collect("abtest", typer.main.get_command(app))
    return found


def shown_name(parameter: Any) -> str:
    """An option as it is typed, an argument in capitals."""
    name = str(parameter.opts[0])
    return name if name.startswith("-") else name.upper()


def test_commands__have_a_section_with_all_options() -> None:
    page = sections(DOCS / "cli.md")
    assert sorted(heading for heading in page if heading.startswith("abtest ")) == sorted(commands())
    for name, command in commands().items():
        rows = table(page[name])
        expected = {opt for p in command.params for opt in (shown_name(p), *p.opts[1:], *p.secondary_opts)}
        assert set(rows) == expected, name
        for parameter in command.params:
            default = parameter.default
            row = rows[shown_name(parameter)]
            if parameter.required:
                assert row[1] == "required", (name, parameter.name)
            elif isinstance(default, str | int | float) and not isinstance(default, bool):
                assert row[1].strip("`") == (default if isinstance(default, str) else f"{default:g}"), parameter.name


def test_command_group__its_options_stand_on_top() -> None:
    group = typer.main.get_command(app)
    assert set(table(read(DOCS / "cli.md"))) == {opt for parameter in group.params for opt in parameter.opts}


def test_environment_variables_of_functions__stand_with_default_and_functions() -> None:
    rows = table(sections(DOCS / "settings.md")["Environment variables of the functions"])
    users: dict[str, set[str]] = {}
    fields: dict[str, FieldInfo] = {}
    for function, settings in SETTINGS.items():
        for name, field in settings.model_fields.items():
            users.setdefault(f"{PREFIX}{name.upper()}", set()).add(function)
            fields[f"{PREFIX}{name.upper()}"] = field
    assert set(rows) == set(users)
    for name, field in fields.items():
        _, default, functions, _ = rows[name]
        assert functions == (
            "all" if users[name] == set(SETTINGS) else ", ".join(f for f in SETTINGS if f in users[name])
        )
        expected = "none" if field.default is None else "required" if field.is_required() else f"`{field.default}`"
        assert default == expected, name


def test_environment_variables_of_the_command__are_all_told() -> None:
    page = read(DOCS / "settings.md")
    sources = [*(ROOT / "cli").rglob("*.py"), ROOT / "Makefile", ROOT / ".ci/run", *(ROOT / "infra").rglob("*.py")]
    named = {
        name for file in sources for name in re.findall(r"ABTEST_[A-Z][A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert {name for name in named if f"`{name}" not in page} == set()


def test_environment_fields__stand_with_their_defaults() -> None:
    # Read as text: importing the infrastructure would start the CDK.
    tree = ast.parse((ROOT / "infra/config.py").read_text(encoding="utf-8"))
    (config,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "EnvironmentConfig")
    fields = {
        node.target.id: ast.literal_eval(node.value) if node.value is not None else "required"
        for node in config.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    rows = table(sections(DOCS / "settings.md")["Environments"])
    assert {name: cells[1].strip("`") for name, cells in rows.items()} == {n: str(v) for n, v in fields.items()}


def test_states__are_described_and_drawn() -> None:
    page = read(ROOT / "statemachines/README.md")
    machine = json.loads(read(ROOT / "statemachines/test_lifecycle.asl.json"))
    names = list(machine["States"])
    for state in machine["States"].values():
        names += list(state.get("ItemProcessor", {}).get("States", {}))
    rows = table(page.partition("## The states")[2])
    assert set(rows) == set(names)
    picture = page.partition("```mermaid")[2].partition("```")[0]
    assert all(name in picture for name in names)
    for name in names:
        assert re.search(rf"\b{name}\b", picture), name


def test_payloads_and_errors_of_states__exist() -> None:
    from abtest.contracts import steps

    rows = table(read(ROOT / "statemachines/README.md").partition("## The states")[2])
    machine = json.loads(read(ROOT / "statemachines/test_lifecycle.asl.json"))
    ends = {state["Error"] for state in machine["States"].values() if state["Type"] == "Fail"}
    classes = {kind.__name__ for kind in errors(AbTestError)}
    for name, (_, _, given, result, failures) in rows.items():
        for payload in re.findall(r"`(\w+)`", given + result):
            assert payload == "next" or hasattr(steps, payload), (name, payload)
        assert set(re.findall(r"`(\w+)`", failures)) <= classes | ends, name


def test_numbers_told__are_those_of_the_code() -> None:
    from abtest.adapters.dynamodb import ledger, runs
    from abtest.management import dataset_service, datasets, duration, validation
    from abtest.providers.model import BatchSettings, RetryPolicy

    concepts, providers, api = (read(DOCS / f"{name}.md") for name in ("concepts", "providers", "api"))
    retry, batch = RetryPolicy(), BatchSettings(ledger_scope="run")
    assert f"at most {retry.max_attempts} times" in providers
    assert f"{retry.base_s:g} s after the first attempt and doubling up to {retry.cap_s:g} s" in " ".join(
        providers.split()
    )
    assert f"up to {retry.longest_hint_s:g} s" in providers
    assert f"{retry.longest_call_s:g} s after the first" in " ".join(providers.split())
    assert f"kept for {ledger.LIFETIME_S // 86_400} days" in concepts
    assert f"at least {runs.IDEMPOTENCY_LIFETIME_S // 3_600} hours" in api
    assert f"{dataset_service.MAX_UPLOAD_BYTES:,}" in api
    definition_page = read(DOCS / "test-definition.md")
    for number in (datasets.MAX_ROW_BYTES, validation.MAX_DEFINITION_BYTES, validation.MOST_DOLLARS):
        assert f"{number:,}" in definition_page, number
    order = read(DOCS / "decisions/0004-spending-is-written-before-the-answer.md")
    assert f"{1000 * batch.flush_interval_s:g} ms or {batch.flush_size}" in order
    assert f"assumes {duration.ASSUMED_LATENCY_S:g} s a call" in read(DOCS / "performance.md")
