"""A person's own function as a judge: what it may return, how it may fail, and that neither invents a score."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from abtest.contracts.records import ImportedScore, ModelResponse, Sample
from abtest_cli.answers import Answer
from abtest_cli.errors import UsageError
from abtest_cli.local_judge import LocalScores, load_scorer, score_answers

SAMPLE = Sample(id="s1", inputs={"q": "2+2"}, reference="4", metadata={"level": "easy"})


@pytest.fixture(autouse=True)
def _own_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def answer(text: str | None = "4", outcome: Any = "answered", variant: str = "a") -> Answer:
    reason: Any = "timeout" if outcome == "failed" else None
    response = ModelResponse(
        sample_id="s1", variant=variant, outcome=outcome, failure_reason=reason, text=text, latency_ms=12.5
    )
    return Answer(SAMPLE, response)


def scorer_file(folder: Path, body: str, name: str = "scorer.py") -> Path:
    path = folder / name
    path.write_text(body, encoding="utf-8")
    return path


def scored(folder: Path, returned: str, *answers: Answer) -> LocalScores:
    path = scorer_file(folder, f"def score(sample, answer, response):\n    return {returned}\n")
    return score_answers(load_scorer(path), answers or [answer()], path, lambda: None)


@pytest.mark.parametrize(
    ("returned", "row"),
    [
        ("4", {"score": 4.0}),
        ("0.5", {"score": 0.5}),
        ("answer == sample['reference']", {"score": 1.0}),
        ("False", {"score": 0.0}),
        ("response['latency_ms']", {"score": 12.5}),
        ("__import__('fractions').Fraction(1, 4)", {"score": 0.25}),
        ("__import__('numpy').float32(0.5)", {"score": 0.5}),
        ("__import__('numpy').bool_(True)", {"score": 1.0}),
        ("{'score': 3, 'reason': 'clear'}", {"score": 3.0, "reason": "clear"}),
        (
            "{'score': 3, 'dimensions': {'tone': True, 'truth': None, 'length': float('nan')}}",
            {"score": 3.0, "dimensions": {"tone": 1.0}},
        ),
        ("None", {"score": None}),
        ("float('nan')", {"score": None, "reason": "the score is nan"}),
        ("float('inf')", {"score": None, "reason": "the score is inf"}),
        ("{'score': None, 'reason': 'no number', 'dimensions': {'tone': 1}}", {"score": None, "reason": "no number"}),
    ],
)
def test_what_a_function_returns_becomes_a_row(tmp_path: Path, returned: str, row: dict[str, Any]) -> None:
    assert scored(tmp_path, returned).rows == [ImportedScore(id="s1", variant="a", **row)]


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        ("'high'", "str"),
        ("[1]", "list"),
        ("{'scores': 1}", "dict has the keys scores"),
        ("{'score': 1, 'note': 'x'}", "dict has the keys score, note"),
        ("{'score': '1'}", "str"),
        ("{'score': 1, 'dimensions': [1]}", "list as dimensions"),
        ("{'score': 1, 'dimensions': {'tone': 'good'}}", "str"),
        ("1j", "complex"),
    ],
)
def test_what_is_no_score_ends_the_judging__with_what_was_returned(tmp_path: Path, returned: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        scored(tmp_path, returned)

    assert f"The function returned {what} for sample 's1'" in caught.value.message


def test_a_function_that_fails_at_some_answers_could_not_say_there__and_goes_on(tmp_path: Path) -> None:
    body = "def score(sample, answer, response):\n    value = 1\n    return value / int(answer)\n"
    path = scorer_file(tmp_path, body)
    answers = [answer("0"), answer("2", variant="b"), answer("x", variant="c")]

    found = score_answers(load_scorer(path), answers, path, lambda: None)

    assert [(row.variant, row.score, row.reason) for row in found.rows] == [
        ("a", None, "failed: ZeroDivisionError"),
        ("b", 0.5, None),
        ("c", None, "failed: ValueError"),
    ]
    assert found.errors == 2
    assert found.first_error == "ZeroDivisionError: division by zero (line 3 of scorer.py) (sample 's1')"


def test_a_function_that_fails_at_every_answer_is_told__and_makes_no_scores(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"failed at each of the 2 answers\. The first: KeyError"):
        scored(tmp_path, "sample['nothing']", answer(), answer(variant="b"))


def test_failed_answers_are_not_judged__and_refused_ones_are_empty(tmp_path: Path) -> None:
    answers = [answer(None, "failed"), answer("I cannot", "refused", "b"), answer("part", "truncated", "c")]

    found = scored(tmp_path, "len(answer)", *answers)

    assert [(row.variant, row.score) for row in found.rows] == [("b", 0.0), ("c", 4.0)]
    assert found.not_judged == {"a": 1}


def test_a_function_that_changes_what_it_gets_changes_nothing_for_the_next(tmp_path: Path) -> None:
    found = scored(tmp_path, "len(sample['inputs'].popitem()[1])", answer(), answer(variant="b"))

    assert [row.score for row in found.rows] == [3.0, 3.0]


def test_what_a_function_prints_stays_off_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "print('loaded')\ndef score(sample, answer, response):\n    print('called')\n    return 1\n"
    path = scorer_file(tmp_path, body)

    score_answers(load_scorer(path), [answer()], path, lambda: None)

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "loaded\ncalled\n")


def test_a_file_may_import_what_stands_beside_it__and_have_other_functions(tmp_path: Path) -> None:
    scorer_file(tmp_path, "WORTH = 7\n", "worth_of_answers.py")
    body = "from worth_of_answers import WORTH\ndef rate(sample, answer, response):\n    return WORTH\n"
    path = scorer_file(tmp_path, body)

    found = score_answers(load_scorer(path, "rate"), [answer()], path, lambda: None)

    assert found.rows[0].score == 7.0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def scoer(sample, answer, response):\n    return 1\n", "has no function 'score'"),
        ("score = 1\n", "has no function 'score'"),
        ("def score(sample, answer):\n    return 1\n", "cannot be called as def score(sample, answer, response)"),
        ("async def score(sample, answer, response):\n    return 1\n", "is asynchronous"),
        ("\nimport nothing_of_that_name\n", "cannot be imported: ModuleNotFoundError: No module named"),
        ("def score(:\n", "cannot be imported: SyntaxError"),
        ("raise SystemExit(3)\n", "cannot be imported: SystemExit: 3 (line 1 of scorer.py)"),
    ],
)
def test_a_file_that_cannot_judge_is_told__before_any_answer(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_scorer(scorer_file(tmp_path, body))

    assert message in caught.value.message


def test_a_misspelt_function_is_guessed(tmp_path: Path) -> None:
    path = scorer_file(tmp_path, "def scoer(sample, answer, response):\n    return 1\n")

    with pytest.raises(UsageError) as caught:
        load_scorer(path)

    (issue,) = caught.value.issues
    assert issue.message == "no such function; did you mean 'scoer'?"


@pytest.mark.parametrize("name", ["gone.py", "scorer.txt"])
def test_a_file_that_is_no_python_file_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "scorer.txt").write_text("def score(a, b, c): return 1\n")

    with pytest.raises(UsageError, match="is no Python file"):
        load_scorer(tmp_path / name)
