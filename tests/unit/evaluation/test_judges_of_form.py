"""The judges of form and of what the call took: `length`, `format`, `threshold`."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.contracts.records import ModelResponse, Outcome, Sample, Usage, Verdict
from abtest.evaluation.judges.length import character_count, sentence_count, word_count
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import judge_batch, needs_reference
from abtest.evaluation.validation import check_parameters


def answered(text: str | None, outcome: Outcome = "answered", **facts: Any) -> ModelResponse:
    return ModelResponse(sample_id="s", variant="a", outcome=outcome, text=text, **facts)


def judged(judge_type: str, response: ModelResponse | str, **parameters: Any) -> Verdict:
    response = answered(response) if isinstance(response, str) else response
    judge = JudgeConfiguration(name="j", type=judge_type, parameters=parameters)
    (verdict,) = judge_batch(judge, [Sample(id="s")], {"a": [response]})
    return verdict


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one", 1),
        ("  two\n words ", 2),
        ("well-known, isn't it?", 3),
        ("- item", 1),
        ("a / b — c", 3),
        ("3.14 and 1,000", 3),
        ("__ ** !", 0),
        ("«Привет, мир»", 2),
        ("नमस्ते दुनिया", 2),
        ("안녕하세요 세계", 2),
        ("你好，世界", 4),
        ("こんにちは", 5),
        ("Python很好用", 4),
        ("cafe\u0301 noir", 2),
    ],
)
def test_words_are_counted__in_any_script(text: str, words: int) -> None:
    assert word_count(text) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("...", 0),
        ("No full stop", 1),
        ("One. Two! Three?", 3),
        ("What?! No.", 2),
        ("Pi is 3.14 today.", 1),
        ("Use tools, e.g. this one, or a.b.c here.", 1),
        ("Well... maybe.", 1),
        ("Well... Maybe.", 2),
        ("Really?! yes.", 2),
        ('He said "Go." Then he left.', 2),
        ("(It rained.) We stayed.", 2),
        ("你好。世界！", 2),
        ("यह एक है। यह दो है।", 2),
        ("A heading\n\nA line.\n- an item\n- another", 4),
        ("1. Wash it.\n2. Dry it.", 2),
        ("1) Wash it\r\n2) Dry it", 2),
    ],
)
def test_sentences_are_counted__by_marks_and_lines(text: str, sentences: int) -> None:
    assert sentence_count(text) == sentences


@pytest.mark.parametrize(("text", "characters"), [("", 0), (" ab c\n", 4), ("cafe\u0301", 4), ("你好", 2), ("👍🏽", 2)])
def test_characters_are_counted__in_one_form_without_space_around(text: str, characters: int) -> None:
    assert character_count(text) == characters


@given(st.lists(st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=1, max_size=9)))
def test_words_that_were_joined__are_counted_again(words: list[str]) -> None:
    assert word_count(" ".join(words)) == len(words)
    assert sentence_count("".join(f"W{word} X. " for word in words)) == len(words)


@given(st.text())
def test_counts__are_within_each_other(text: str) -> None:
    assert 0 <= sentence_count(text) <= word_count(text) <= len(text)


@pytest.mark.parametrize("text", ["." * 50_000 + "x", "!)" * 50_000, "1. " * 50_000, " " * 50_000 + "x", "一" * 50_000])
@pytest.mark.timeout(5)
def test_counts_take_linear_time__whatever_the_text(text: str) -> None:
    assert sentence_count(text) <= word_count(text)


@pytest.mark.parametrize(
    ("text", "parameters", "score", "says"),
    [
        ("one two", {"at_least": 2, "at_most": 2}, 1, None),
        ("one", {"at_least": 2}, 0, "1 word, fewer than 2"),
        ("one two three", {"at_most": 2}, 0, "3 words, more than 2"),
        ("", {"at_most": 2}, 1, None),
        ("", {"at_least": 1}, 0, "0 words, fewer than 1"),
        ("abc", {"unit": "characters", "at_most": 2}, 0, "3 characters, more than 2"),
        ("A. B. C.", {"unit": "sentences", "at_most": 3}, 1, None),
    ],
)
def test_length_scores__between_its_bounds(text: str, parameters: dict[str, Any], score: int, says: str | None) -> None:
    verdict = judged("length", text, **parameters)
    assert (verdict.status, verdict.score, verdict.reason) == ("scored", score, says)


def test_length_in_tokens__is_the_providers_without_reasoning() -> None:
    response = answered("x", usage=Usage(input_tokens=9, output_tokens=10, reasoning_tokens=50))
    assert judged("length", response, unit="tokens", at_most=10).score == 1
    assert judged("length", response, unit="tokens", at_most=9).reason == "10 tokens, more than 9"


@pytest.mark.parametrize(
    ("response", "status", "score"),
    [
        (answered("x"), "invalid", None),
        (answered("x", usage=Usage(input_tokens=9)), "invalid", None),
        (answered("No.", "refused", usage=Usage(output_tokens=3)), "scored", 0),
        (answered(None, "truncated", usage=Usage(reasoning_tokens=9)), "scored", 0),
    ],
)
def test_length_in_tokens__is_invalid_where_unknown_and_none_for_no_answer(
    response: ModelResponse, status: str, score: int | None
) -> None:
    verdict = judged("length", response, unit="tokens", at_least=1)
    assert (verdict.status, verdict.score) == (status, score)
    assert verdict.reason


FACTS = {
    "usage": Usage(input_tokens=9, output_tokens=30, reasoning_tokens=10),
    "latency_ms": 800.1,
    "cost_usd": Decimal("0.0021"),
}


@pytest.mark.parametrize(
    ("measure", "at_most", "score", "says"),
    [
        ("latency_ms", 800.1, 1, None),
        ("latency_ms", "800", 0, "800.1 ms, more than 800"),
        ("cost_usd", 0.0021, 1, None),
        ("cost_usd", "0.002", 0, "0.0021 USD, more than 0.002"),
        ("output_tokens", 40, 1, None),
        ("output_tokens", 39, 0, "40 output tokens, more than 39"),
    ],
)
@pytest.mark.parametrize("from_ledger", [False, True])
def test_threshold_scores__by_what_the_call_took(
    measure: str, at_most: Any, score: int, says: str | None, from_ledger: bool
) -> None:
    verdict = judged("threshold", answered("x", from_ledger=from_ledger, **FACTS), measure=measure, at_most=at_most)
    assert (verdict.status, verdict.score, verdict.reason) == ("scored", score, says)


@pytest.mark.parametrize("measure", ["latency_ms", "cost_usd", "output_tokens"])
@pytest.mark.parametrize("facts", [{}, {"usage": Usage(), "latency_ms": float("nan"), "cost_usd": None}])
def test_threshold_is_invalid__where_the_number_is_unknown(measure: str, facts: dict[str, Any]) -> None:
    verdict = judged("threshold", answered("x", **facts), measure=measure, at_most=10**9)
    assert (verdict.status, verdict.score) == ("invalid", None)
    assert "unknown" in (verdict.reason or "")


def test_threshold_of_a_refused_answer__is_of_its_call() -> None:
    response = answered("I cannot help.", "refused", **FACTS)
    assert judged("threshold", response, measure="output_tokens", at_most=39).score == 0
    assert judged("threshold", response, measure="output_tokens", at_most=40).score == 1


def test_threshold_of_a_failed_call__is_not_judged() -> None:
    response = answered(None, "failed", failure_reason="timeout", latency_ms=60_000)
    assert judged("threshold", response, measure="latency_ms", at_most=10).status == "not_judged"


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_threshold_of_latency__orders_as_numbers_do(latency_ms: float, limit_ms: float) -> None:
    verdict = judged("threshold", answered("x", latency_ms=latency_ms), measure="latency_ms", at_most=str(limit_ms))
    assert verdict.score == (latency_ms <= limit_ms)


KINDS: list[tuple[str, str, bool]] = [
    ("json", ' {"a": [1, null]}\n', True),
    ("json", "3", True),
    ("json", "", False),
    ("json", "NaN", False),
    ("json", "{'a': 1}", False),
    ("json", "```json\n{}\n```", False),
    ("json_object", "{}", True),
    ("json_object", "[]", False),
    ("xml", "<a b='1'><c/>x</a>", True),
    ("xml", "<?xml version='1.0' encoding='latin-1'?><a>é</a>", True),
    ("xml", "<a><b></a>", False),
    ("xml", "<a/><b/>", False),
    ("xml", "text", False),
    ("xml", "", False),
    ("xml", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", False),
    ("xml", "<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>", False),
    ("xml", "<a>\ud800</a>", False),
    ("number", "-1.5", True),
    ("number", "+2e3", True),
    ("number", ".5", True),
    ("number", "5.", False),
    ("number", "1,000", False),
    ("number", "٣", False),
    ("number", "12 kg", False),
    ("number", "1\n2", False),
    ("date", "2024-02-29", True),
    ("date", "2023-02-29", False),
    ("date", "20240229", False),
    ("date", "2024-W09-4", False),
    ("date", "29.02.2024", False),
]


@pytest.mark.parametrize(("kind", "text", "passes"), KINDS)
def test_format_knows__kinds_of_values(kind: str, text: str, passes: bool) -> None:
    assert judged("format", text, kind=kind).score == passes


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_format_takes_as_json__what_was_written_as_json(value: Any) -> None:
    assert judged("format", json.dumps(value), kind="json").score == 1


@given(st.dates())
def test_format_takes_as_date__every_day(day: date) -> None:
    assert judged("format", day.isoformat(), kind="date").score == 1


@pytest.mark.parametrize(
    ("text", "parameters", "score"),
    [
        (" positive ", {"labels": ["positive", "negative"]}, 1),
        ("Positive", {"labels": ["positive", "negative"]}, 0),
        ("Positive", {"labels": ["positive", "negative"], "case_sensitive": False}, 1),
        ("positive.", {"labels": ["positive", "negative"]}, 0),
        ("", {"labels": ["positive"]}, 0),
        ("cafe\u0301", {"labels": ["caf\u00e9"]}, 1),
        ("Dear Ann,", {"starts_with": ["Dear ", "Hello "]}, 1),
        ("Hi Ann,", {"starts_with": ["Dear", "Hello"]}, 0),
        ("STRASSE 1", {"starts_with": ["straße"], "case_sensitive": False}, 1),
        ("Yours, Bob\n", {"ends_with": ["Bob", "Bill"]}, 1),
        ("Yours, Bob!", {"ends_with": ["Bob"]}, 0),
        ("a\n\nb\n", {"lines_at_least": 2, "lines_at_most": 2}, 1),
        ("a", {"lines_at_least": 2}, 0),
        ("a\nb\nc", {"lines_at_most": 2}, 0),
        ("", {"lines_at_most": 2}, 1),
        ("- a\n\n* b\n  more of b\n• c", {"layout": "bullets", "items_at_least": 3, "items_at_most": 3}, 1),
        ("- a\n  - below a\n- b", {"layout": "bullets", "items_at_most": 2}, 1),
        ("Here:\n- a", {"layout": "bullets"}, 0),
        ("-a", {"layout": "bullets"}, 0),
        ("", {"layout": "bullets"}, 0),
        ("- a", {"layout": "bullets", "items_at_least": 2}, 0),
        ("1. a\n2) b", {"layout": "numbers"}, 1),
        ("1. a\n3. b", {"layout": "numbers"}, 0),
        ("- a", {"layout": "numbers"}, 0),
    ],
)
def test_format_scores__by_every_constraint(text: str, parameters: dict[str, Any], score: int) -> None:
    verdict = judged("format", text, **parameters)
    assert (verdict.score, verdict.reason is None) == (score, score == 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a\n```python\nx\n```", "a fence"),
        ("## Title", "a heading"),
        ("> said", "a quotation"),
        ("a | b\n--- | ---\n1 | 2", "a table"),
        ("|a|\n|:-:|\n", "a table"),
        ("It is **very** good", "bold text"),
        ("It is __very__ good", "bold text"),
        ("Use `x` here", "inline code"),
        ("See [here](https://example.com)", "a link"),
        ("![a](b.png)", "a link"),
    ],
)
def test_markdown_is_found__by_its_marks(text: str, what: str) -> None:
    verdict = judged("format", text, markdown="forbidden")
    assert (verdict.score, (verdict.reason or "").rpartition(" has Markdown: ")[2]) == (0, what)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Plain text.",
        "- an item\n- another",
        "1. one",
        "#hashtag",
        "2 * 3 * 4",
        "2 ** 3",
        "snake_case",
        "f(x)",
        "a-b",
    ],
)
def test_text_without_marks__is_no_markdown(text: str) -> None:
    assert judged("format", text, markdown="forbidden").score == 1


@pytest.mark.parametrize("text", ["**a " * 50_000, "`a" * 50_000, "__a" * 50_000, "]( " * 50_000, "|--" * 50_000])
@pytest.mark.timeout(10)
def test_markdown_is_looked_for_in_linear_time__whatever_the_text(text: str) -> None:
    assert judged("format", text, markdown="forbidden").status == "scored"


def test_format_names__everything_that_is_wrong() -> None:
    verdict = judged("format", "a\nb", kind="number", starts_with=["x"], lines_at_most=1)
    assert verdict.reason == "'a b' is not a number; does not begin with 'x'; has 2 lines, more than 1"


@given(st.text(), st.sampled_from(["json", "json_object", "xml", "number", "date"]))
def test_format_never_fails__whatever_the_answer(text: str, kind: str) -> None:
    parameters = {"kind": kind, "labels": ["x"], "layout": "numbers", "markdown": "forbidden", "lines_at_most": 3}
    assert judged("format", text, **parameters).status == "scored"


@pytest.mark.parametrize(
    ("judge_type", "parameters", "path", "says"),
    [
        ("length", {}, "parameters", "needs a bound"),
        ("length", {"at_least": 3, "at_most": 2}, "parameters", "swap the bounds"),
        ("length", {"at_most": -1}, "at_most", "greater than or equal to 0"),
        ("length", {"unit": "pages", "at_most": 1}, "unit", "choices"),
        ("length", {"at_mots": 1, "at_most": 1}, "at_mots", "did you mean 'at_most'"),
        ("threshold", {"at_most": 1}, "measure", "needs this option"),
        ("threshold", {"measure": "latency_ms"}, "at_most", "needs this option"),
        ("threshold", {"measure": "latency", "at_most": 1}, "measure", "choices"),
        ("threshold", {"measure": "cost_usd", "at_most": "NaN"}, "at_most", "finite"),
        ("threshold", {"measure": "cost_usd", "at_most": -1}, "at_most", "greater than or equal to 0"),
        ("format", {}, "parameters", "nothing is asked"),
        ("format", {"case_sensitive": False}, "parameters", "nothing is asked"),
        ("format", {"kind": "yaml"}, "kind", "choices"),
        ("format", {"labels": []}, "labels", "empty list"),
        ("format", {"labels": [""]}, "labels.0", "at least 1 character"),
        ("format", {"starts_with": [" "]}, "starts_with", "white space alone"),
        ("format", {"lines_at_least": 2, "lines_at_most": 1}, "parameters", "lines_at_least = 2"),
        ("format", {"layout": "bullets", "items_at_least": 2, "items_at_most": 1}, "parameters", "items_at_least = 2"),
        ("format", {"items_at_most": 1}, "parameters", "only a list has items"),
    ],
)
def test_wrong_option_of_a_judge_of_form__is_named(
    judge_type: str, parameters: dict[str, Any], path: str, says: str
) -> None:
    (issue,) = check_parameters(judge_type, parameters)
    assert issue.path == path
    assert says in issue.message


@pytest.mark.parametrize(
    ("judge_type", "parameters"),
    [("length", {"at_most": 1}), ("format", {"kind": "json"}), ("threshold", {"measure": "cost_usd", "at_most": 1})],
)
def test_judges_of_form__read_no_reference(judge_type: str, parameters: dict[str, Any]) -> None:
    assert not needs_reference(judge_type, parameters)
