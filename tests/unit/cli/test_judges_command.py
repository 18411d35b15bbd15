"""`abtest judges`: lists, one of them whole, a trial made here or by the platform, a prompt of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakePlatform

from abtest.core.hashing import content_hash
from abtest.evaluation.registry import dimension_names, judge_types
from abtest.evaluation.trial import TrialBody, trial_of
from abtest.evaluation.trial_result import judge_trial, result_of
from abtest_cli.credentials import CredentialStore
from abtest_cli.definition_files import load_judges
from abtest_cli.main import run_cli

pytestmark = pytest.mark.usefixtures("sign_ins")

Captured = pytest.CaptureFixture[str]
RUBRIC = ["rubric", "--option", "provider=local", "--option", "model=m", "--option", "dimensions=[accuracy]"]
JUDGES = """
grade: {type: rubric, provider: local, model: m, dimensions: [accuracy], repeats: 5}
other: {type: rubric, provider: local, model: n, dimensions: [accuracy]}
duel: {type: pairwise, provider: local, model: m, dimensions: [accuracy]}
all: {type: panel, members: [grade, other], consensus: mean}
exact: {type: exact_match}
"""


def house(**facts: Any) -> dict[str, Any]:
    texts = {"system": "House style.", "user": "Judge this:\n{{ answer }}"}
    head = {"name": "house", "version": 2, "judge": "rubric", "sha256": content_hash(texts)}
    return {**head, **texts, "created_at": "2026-01-31T09:00:00Z", "created_by": "ada", "built_in": False, **facts}


def trial(judges: list[str], says: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what the platform says of a trial."""
    votes = [{"order": None, "repeat": 0, "status": "scored", "dimensions": {}, "repaired": False, "fallback": 0}]
    verdict = {"variant": "answer", "against": None, "status": "scored", "reason": None, "dimensions": {}, **says}
    verdict["votes"] = [votes[0] | {"score": verdict.get("score"), "reason": "It is [right]."}]
    shown = {"type": "rubric", "provider": "local", "model": "m", "scale": [1, 5], "notes": ["Not sent: seed."]}
    shown |= {"prompts": [], "replies": [], "verdicts": [verdict]}
    totals = {"panel": [], "calls": 1, "input_tokens": 700, "output_tokens": 40, "cost_usd": "0.00012"}
    return {"judge": judges[0], "judges": [{"judge": name, **shown} for name in judges], **totals, **more}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "judges.yaml"
    path.write_text(JUDGES)
    return path


def asked(platform: FakePlatform) -> dict[str, Any]:
    """Return the body of the trial that was asked for."""
    request = platform.requests[-1]
    assert (request.method, request.url.path) == ("POST", "/api/v1/judges/try")
    body: dict[str, Any] = json.loads(request.content)
    trial_of(TrialBody.model_validate(body))
    return body


# list, show


def test_list__has_every_judge_dimension_and_template(platform: FakePlatform, capsys: Captured) -> None:
    platform.templates["house"] = house()
    assert run_cli(["judges", "list"]) == 0
    said = capsys.readouterr().out
    for name in (*judge_types(), *dimension_names(), "house", "for rubric judges, by ada, 2026-01-31"):
        assert name in said, name


def test_list__as_json_prints_nothing_else(platform: FakePlatform, capsys: Captured) -> None:
    assert run_cli(["judges", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["type"] for one in found["judges"]] == list(judge_types())
    assert [one["name"] for one in found["dimensions"]] == list(dimension_names())


@pytest.fixture
def nobody(sign_ins: CredentialStore) -> None:
    """Nobody is signed in anywhere: no local stack is up."""
    for environment in sign_ins.environments():
        sign_ins.remove(environment)


@pytest.mark.usefixtures("nobody")
def test_list__without_a_platform_has_what_is_built_in(platform: FakePlatform, capsys: Captured) -> None:
    assert run_cli(["judges", "list", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [one["type"] for one in found["judges"]] == list(judge_types())
    assert {one["name"] for one in found["templates"]} == {"frame", "pairwise", "repair", "rubric"}
    assert "a workspace's own templates were not asked for" in said.err
    assert "abtest up" in said.err
    assert platform.requests == []


@pytest.mark.usefixtures("nobody")
def test_show__without_a_platform_has_what_is_built_in(capsys: Captured) -> None:
    assert run_cli(["judges", "show", "rubric", "--version", "1"]) == 0
    assert "Grade each of these dimensions" in capsys.readouterr().out
    assert run_cli(["judges", "show", "house"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "no such judge, dimension or template: unknown name 'house'" in said
    assert "templates were not asked for" in said


@pytest.mark.usefixtures("nobody")
def test_list__of_a_platform_that_is_named_asks_it_alone(capsys: Captured) -> None:
    assert run_cli(["judges", "list", "--env", "prod"]) == 1
    assert "Nobody is signed in to 'prod'" in capsys.readouterr().err


def test_show__of_a_judge_has_its_options_and_its_prompt(platform: FakePlatform, capsys: Captured) -> None:
    assert run_cli(["judges", "show", "rubric"]) == 0
    said = capsys.readouterr().out
    for word in ("dimensions", "needed", "integer from 1 to 10", "{{ answer }}"):
        assert word in said, word


def test_show__of_a_dimension_has_its_anchors(platform: FakePlatform, capsys: Captured) -> None:
    assert run_cli(["judges", "show", "accuracy"]) == 0
    said = capsys.readouterr().out
    assert "Scale 1 to 5" in said
    assert "{{" not in said


def test_show__of_a_template_has_its_text_line_by_line(platform: FakePlatform, capsys: Captured) -> None:
    platform.templates["house"] = house(user="[red]one[/]\n{{ answer }}")
    assert run_cli(["judges", "show", "house", "--version", "2"]) == 0
    assert "[red]one[/]\n{{ answer }}\n" in capsys.readouterr().out
    assert platform.requests[-1].url.params["version"] == "2"


def test_show__of_nothing_guesses(platform: FakePlatform, capsys: Captured) -> None:
    assert run_cli(["judges", "show", "acuracy"]) == 1
    assert "did you mean 'accuracy'?" in capsys.readouterr().err


# try, on this machine


def test_try__of_a_judge_in_code_needs_no_platform(platform: FakePlatform, capsys: Captured) -> None:
    given = ["judges", "try", "contains", "--option", "values=[Paris]", "--answer", "Paris", "--against", "Lyon"]
    assert run_cli(given) == 0
    said = capsys.readouterr().out
    assert "control: 0" in said
    assert "treatment: 1" in said
    assert platform.requests == []


def test_try__takes_the_sample_of_the_tests_dataset(platform: FakePlatform, tiny: Path, capsys: Captured) -> None:
    assert run_cli(["judges", "try", str(tiny), "--sample-id", "s2", "--answer", "yes", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (verdict,) = result["judges"][0]["verdicts"]
    assert (verdict["sample_id"], verdict["judge"], verdict["score"]) == ("s2", "right", 1)
    assert platform.requests == []


def test_try__takes_texts_of_files(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "answer.txt").write_text("yes")
    (tmp_path / "sample.json").write_text(json.dumps({"id": "x", "reference": "yes", "cluster": "c"}))
    given = ["judges", "try", "exact_match", "--sample", "sample.json", "--answer", "@answer.txt"]
    assert run_cli(given) == 0
    assert "answer: 1" in capsys.readouterr().out


def test_render__prints_the_prompt_and_asks_nobody(platform: FakePlatform, capsys: Captured) -> None:
    given = ["judges", "try", *RUBRIC, "--input", "question=Capital of [France]?", "--answer", "Paris\nor so"]
    assert run_cli([*given, "--render"]) == 0
    said = capsys.readouterr().out
    assert "judge asks local/m about answer" in said
    assert "Capital of [France]?\n" in said
    assert "Paris\nor so\n" in said
    assert platform.requests == []


def test_render__of_a_pair_shows_both_orders(file: Path, capsys: Captured) -> None:
    given = ["judges", "try", str(file), "--judge", "duel", "--answer", "Paris!", "--against", "Lyon!", "--render"]
    assert run_cli(given) == 0
    first, second = capsys.readouterr().out.split("treatment first", 1)
    assert first.index("Lyon!") < first.index("Paris!")
    assert second.index("Paris!") < second.index("Lyon!")


def test_render__of_a_workspaces_template_fetches_it_alone(platform: FakePlatform, capsys: Captured) -> None:
    platform.templates["house"] = house()
    template = ["--option", "template={name: house, version: 2}"]
    assert run_cli(["judges", "try", *RUBRIC, *template, "--answer", "Paris", "--render"]) == 0
    assert "House style." in capsys.readouterr().out
    assert [f"{r.method} {r.url.path}" for r in platform.requests] == ["GET /api/v1/judges/templates/house"]


def test_render__of_a_judge_in_code_says_that_there_is_no_prompt(capsys: Captured) -> None:
    assert run_cli(["judges", "try", "exact_match", "--answer", "x", "--render"]) == 2
    assert "no model is asked by this judge" in capsys.readouterr().err


# try, by the platform


def test_try__has_the_platform_ask_the_model(platform: FakePlatform, capsys: Captured) -> None:
    platform.trial = trial(["judge"], {"score": 4.0, "reason": "It is right."})
    given = ["judges", "try", *RUBRIC, "--document", "A text.", "--reference", "Paris", "--answer", "Paris"]
    assert run_cli(given) == 0
    body = asked(platform)
    assert body["judge"] == {"type": "rubric", "provider": "local", "model": "m", "dimensions": ["accuracy"]}
    assert body["sample"] == {"documents": [{"text": "A text."}], "reference": "Paris"}
    said = capsys.readouterr().out
    assert "judge (rubric, local/m), scale 1 to 5" in said
    assert "answer: 4 (It is right.)" in said
    assert "It is [right]." in said
    assert "1 call, 700 tokens in and 40 out, cost $0.00012." in said
    assert "Note: Not sent: seed." in said


def test_try__of_a_failed_call_says_what_to_do(platform: FakePlatform, capsys: Captured) -> None:
    platform.trial = trial(["judge"], {"score": None, "status": "not_judged"}, calls=0)
    reply = {"question": "q", "outcome": "failed", "failure_reason": "auth", "text": None}
    platform.trial["judges"][0]["replies"] = [reply, reply]
    assert run_cli(["judges", "try", *RUBRIC, "--answer", "Paris"]) == 1
    said = capsys.readouterr().out
    assert "answer: not judged" in said
    assert "2 calls failed: auth. Put a valid key" in said


def test_try__raw_shows_what_the_model_wrote(platform: FakePlatform, capsys: Captured) -> None:
    platform.trial = trial(["judge"], {"score": 4.0})
    prompt = {"variant": "answer", "order": None, "repeat": 1, "repair": True}
    prompt["messages"] = [{"role": "user", "content": "Grade!"}]
    reply = {"question": "q", "outcome": "answered", "failure_reason": None, "text": "Four,\nI say."}
    platform.trial["judges"][0] |= {"prompts": [prompt], "replies": [reply]}
    assert run_cli(["judges", "try", *RUBRIC, "--answer", "Paris", "--raw"]) == 0
    said = capsys.readouterr().out
    assert "repeat 2, again, because the first reply could not be read" in said
    assert "Four,\nI say.\n" in said


def test_try__of_a_panel_sends_its_members(platform: FakePlatform, file: Path, capsys: Captured) -> None:
    opinion = {"variant": "answer", "consensus": "mean", "score": 3.5, "scores": {"grade": 4, "other": 3}}
    opinion |= {"spread": 1, "agreed": False, "escalated": False, "reason": None}
    platform.trial = trial(["grade", "other"], {"score": 4.0}, judge="all", panel=[opinion])
    assert run_cli(["judges", "try", str(file), "--judge", "all", "--answer", "Paris"]) == 0
    body = asked(platform)
    assert (body["name"], list(body["judges"])) == ("all", ["grade", "other"])
    assert body["judges"]["grade"]["repeats"] == 3
    said = capsys.readouterr()
    assert "at most 3 times; the test would ask 5 times" in said.err
    assert "all answer: 3.5 (mean of 2, not agreed, 1 apart)" in said.out


def test_try__as_json_prints_nothing_else(platform: FakePlatform, file: Path, capsys: Captured) -> None:
    platform.trial = trial(["grade"], {"score": 4.0})
    assert run_cli(["judges", "try", str(file), "--judge", "grade", "--answer", "Paris", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == platform.trial


def test_shown__is_what_the_product_makes(platform: FakePlatform, capsys: Captured) -> None:
    """The views read a real result, not only the fake's."""
    body = {"judge": {"type": "exact_match"}, "sample": {"reference": "yes"}, "answer": "yes"}
    made = trial_of(TrialBody.model_validate(body))
    platform.trial = result_of(made, [judge_trial(made, "judge", None)]).model_dump(mode="json")
    assert run_cli(["judges", "try", *RUBRIC, "--answer", "Paris"]) == 0
    assert "judge (exact_match), scale 0 to 1\n  answer: 1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exact_match"], "--answer: nothing to judge"),
        (
            ["exact_mach", "--answer", "x"],
            "SOURCE: no file, no folder, and no type of judge either: unknown name 'exact_mach'",
        ),
        (["judges.yaml", "--answer", "x"], "--judge: which judge of the file?"),
        (["judges.yaml", "--judge", "grad", "--answer", "x"], "--judge: the file has no such judge"),
        (["judges.yaml", "--judge", "duel", "--answer", "x"], "--against: this judge compares two answers"),
        (["judges.yaml", "--judge", "exact", "--option", "strip=false", "--answer", "x"], "stand in the file"),
        (["nowhere.yaml", "--answer", "x"], "there is no such file"),
        (["nowhere", "--judge", "grade", "--answer", "x"], "SOURCE: no file, no folder"),
        (["python", "--answer", "x"], "abtest judge RUN --local SCORER.py"),
        (["exact_match", "--sample", "empty.jsonl", "--answer", "x"], "--sample: the file has no row"),
        (["exact_match", "--judge", "x", "--answer", "x"], "only a file has judges by name"),
        (["exact_match", "--option", "strip", "--answer", "x"], "--option: not a pair"),
        (["exact_match", "--option", "strip=[", "--answer", "x"], "--option: "),
        (["exact_match", "--input", "=x", "--answer", "x"], "--input: not a pair"),
        (["exact_match", "--answer", "@nowhere.txt"], "--answer: there is no such file"),
        (["exact_match", "--sample", "broken.jsonl", "--answer", "x"], "line 2, --sample"),
        (["exact_match", "--sample", "list.json", "--answer", "x"], "--sample: not a JSON object"),
        (["exact_match", "--sample", "one.json", "--sample-id", "b", "--answer", "x"], "--sample-id: not in one.json"),
        (["exact_match", "--sample-id", "b", "--answer", "x"], "in which file is it?"),
        (["exact_match", "--sample", "one.json", "--answer", "x", "--fallback", "1"], "nothing reads this field"),
    ],
)
def test_wrong_use__exits_2_and_says_where(
    platform: FakePlatform, file: Path, tmp_path: Path, capsys: Captured, arguments: list[str], words: str
) -> None:
    (tmp_path / "broken.jsonl").write_text('{"id": "a"}\n{"id": \n')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "one.json").write_text('{"id": "a", "colour": "red"}')
    assert run_cli(["judges", "try", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert platform.requests == []


def test_wrong_texts__are_told_together(capsys: Captured) -> None:
    assert run_cli(["judges", "try", "exact_match", "--answer", "@a.txt", "--against", "@b.txt", "--input", "x"]) == 2
    said = capsys.readouterr().err
    assert all(option in said for option in ("--answer", "--against", "--input"))


# template


def test_template__is_sent_and_its_use_is_told(platform: FakePlatform, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "user.j2").write_text("{{ answer }}")
    assert run_cli(["judges", "template", "put", "house", "--user-file", "user.j2"]) == 0
    request = platform.requests[-1]
    assert (request.method, request.url.path) == ("PUT", "/api/v1/judges/templates/house")
    assert json.loads(request.content) == {"judge": "rubric", "user": "{{ answer }}"}
    assert "template: {name: house, version: 3}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["..", "a/b", "my template", ""])
def test_template__of_a_name_that_is_none_is_not_sent(name: str, platform: FakePlatform, capsys: Captured) -> None:
    assert run_cli(["judges", "template", "put", name, "--user-file", "user.j2"]) == 2
    assert "NAME: not a name" in capsys.readouterr().err
    assert platform.requests == []


def test_template__of_a_file_that_is_not_there(platform: FakePlatform, capsys: Captured) -> None:
    assert run_cli(["judges", "template", "put", "house", "--user-file", "user.j2"]) == 2
    assert "--user-file: there is no such file" in " ".join(capsys.readouterr().err.split())
    assert platform.requests == []


def test_template_files_of_a_test__are_put_into_its_judges(tmp_path: Path) -> None:
    (tmp_path / "strict.j2").write_text("Be strict.")
    path = tmp_path / "judges.yaml"
    path.write_text("j: {type: rubric, template: {system_file: strict.j2, user: '{{ answer }}'}}")
    judges, issues = load_judges(path)
    assert judges["j"]["template"] == {"system": "Be strict.", "user": "{{ answer }}"}
    assert issues == ()


def test_template_file_that_cannot_be_read__is_told_once(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "judges.yaml"
    path.write_text(JUDGES.replace("model: m, dim", "model: m, template: {user_file: gone.j2}, dim", 1))
    assert run_cli(["judges", "try", str(path), "--judge", "grade", "--answer", "x", "--render"]) == 2
    said = capsys.readouterr().err
    assert said.count("•") == 1
    assert "judges.grade.template.user_file" in said
