"""Reading what a judge wrote: every value that comes out stands in the reply, and nothing makes it raise."""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable

import pytest

from abtest.evaluation.parsing import Part, UnreadableError, one_of, read_reply, score_on

GOOD = '{"accuracy": {"reason": "Right.", "score": 4}}'
CHOICES = {"1": 0.0, "2": 1.0, "tie": 0.5}


def scores(text: str, *asked: str, low: int = 1, high: int = 5) -> dict[str, float]:
    found = read_reply(text, asked or ("accuracy",), "score", score_on(low, high))
    return {name: part.value for name, part in found.items()}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  \n{GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n``` Done.",
        f"Let me think. The set {{a, b}} is right. {GOOD} I hope this helps.",
        f"{GOOD}\n{GOOD}",
        f"<think>Maybe {{'accuracy': 2}} or {GOOD.replace('4', '2')}?</think>\n{GOOD}",
        '{"comment": "x", "accuracy": {"score": 4, "reason": "Right.", "sure": true}, "more": [1]}',
        '{"accuracy": {"reason": "Right.", "score": 4.0}}',
        '{"accuracy": {"reason": "Right.", "score": 4e0}}',
        '{"accuracy": {"reason": "Right.", "score": "4"}}',
        '{"accuracy": {"reason": "Right.", "score": " 4 "}}',
        '{"accuracy": {"score": 4}}',
        '{"accuracy": {"reason": null, "score": 4}}',
        '{"note": {"accuracy": 1}} ' + GOOD,
        GOOD.replace("Right.", 'It says {\\"accuracy\\": {\\"score\\": 5}}.'),
    ],
)
def test_score_is_read__where_it_cannot_be_doubted(text: str) -> None:
    assert scores(text) == {"accuracy": 4.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON object"),
        ("4", "no JSON object"),
        ("[4]", "no JSON object"),
        ("accuracy: 4", "no JSON object"),
        ('{"score": 4}', "no JSON object with 'accuracy'"),
        ('{"result": ' + GOOD + "}", "no JSON object"),
        ('{"accuracy": 4}', "'accuracy' is 4 and no object"),
        ('{"accuracy": {"reason": "x"}}', "has no score"),
        ('{"accuracy": {"reason": 7, "score": 4}}', "is no text"),
        (GOOD[:-1], "not JSON"),
        (GOOD[:-5], "not JSON"),
        (GOOD.replace('"score"', "'score'"), "not JSON"),
        ("{'accuracy': {'score': 2}} " + GOOD, "not JSON"),
        ('{"draft": {"accuracy": {"reason": "x", "score": 5}}, "accuracy": {"rea', "not JSON"),
        (GOOD + " " + GOOD.replace("4", "5"), "two objects that differ"),
        (GOOD + " " + GOOD.replace("Right", "Wrong"), "two objects that differ"),
        (GOOD + ' {"accuracy": {"reason": "x", "score": 11}}', "goes from 1 to 5"),
        ('{"accuracy": {"reason": "x", "score": 5, "score": 1}}', "a name stands twice"),
        ('{"accuracy": {"score": 5}, "accuracy": {"score": 1}}', "a name stands twice"),
        ("<think>" + GOOD, "no JSON object"),
        ('{"accuracy": {"score": NaN}}', "NaN"),
        ('{"accuracy": {"score": Infinity}}', "Infinity"),
        ('{"accuracy": {"score": 1e99999999999999999999}}', "too large"),
        ("{" * 5_000, "too many braces"),
        ('{"a":' * 5_000, "not JSON"),
        ("x" * 200_001, "longer than"),
    ],
)
def test_reply_that_can_be_doubted__gives_no_score(text: str, says: str) -> None:
    with pytest.raises(UnreadableError, match=re.escape(says)):
        scores(text)


@pytest.mark.parametrize(
    "value",
    ["4.5", "11", "0", "-4", '"high"', "null", "true", "false", '"4.5"', '"4/5"', '"4 points"', "[4]", '{"v": 4}', '""',
     "4.0000000000000000001", "1e400", "-1e-400", '"٤"', '"４"', "5" * 5_000],
)  # fmt: skip
def test_value_that_is_no_point_of_the_scale__is_refused(value: str) -> None:
    with pytest.raises(UnreadableError):
        scores(f'{{"accuracy": {{"reason": "x", "score": {value}}}}}')


def test_every_dimension_is_needed__and_in_its_place() -> None:
    both = '{"accuracy": {"score": 4}, "style": {"score": 2}}'
    assert scores(both, "accuracy", "style") == {"accuracy": 4.0, "style": 2.0}
    with pytest.raises(UnreadableError, match="'style' is missing"):
        scores(GOOD, "accuracy", "style")
    with pytest.raises(UnreadableError, match="'style' is missing"):
        scores('{"accuracy": {"score": 4}} {"style": {"score": 2}}', "accuracy", "style")


@pytest.mark.parametrize(
    ("value", "share"),
    [('"1"', 0.0), ('"2"', 1.0), ("1", 0.0), ("2.0", 1.0), ('"tie"', 0.5), ('" TIE "', 0.5)],
)
def test_preference_is_read__as_number_or_word(value: str, share: float) -> None:
    text = f'{{"style": {{"reason": "x", "preference": {value}}}}}'
    assert read_reply(text, ("style",), "preference", one_of(CHOICES)) == {"style": Part(share, "x")}


@pytest.mark.parametrize("value", ['"3"', "3", "0", "true", "null", '"Response 1"', '"both"', '""', "1e9999999", "[1]"])
def test_preference_for_neither__is_refused(value: str) -> None:
    with pytest.raises(UnreadableError, match="it may be 1, 2, tie"):
        read_reply(f'{{"style": {{"preference": {value}}}}}', ("style",), "preference", one_of(CHOICES))


def test_negative_points__are_points_too() -> None:
    assert scores('{"accuracy": {"score": -2}}', low=-2, high=2) == {"accuracy": -2.0}
    assert scores('{"accuracy": {"score": "-2"}}', low=-2, high=2) == {"accuracy": -2.0}


WORDS = ["right", "wrong {maybe}", 'it says "5"', "score: 3", "naïve 漢字 🙂", "\\", "\n", "a } b { c", "```", "10/10"]
NOISE = "{}[]\",:'\\ \n\t`abcxyzé漢\u202e\x00"
MUTATIONS = 10_000


def _original(chosen: random.Random, names: list[str]) -> tuple[str, dict[str, float]]:
    """A reply as a judge should write it, with its scores."""
    given = {name: chosen.randint(1, 10) for name in names}
    reasons = {name: " ".join(chosen.choices(WORDS, k=3)) for name in names}
    body = {name: {"reason": reasons[name], "score": given[name]} for name in names}
    text = json.dumps(body, ensure_ascii=chosen.random() < 0.5, indent=chosen.choice([None, 1, 2]))
    return text, {name: float(value) for name, value in given.items()}


def _cut(chosen: random.Random, text: str) -> str:
    return text[: chosen.randrange(len(text) + 1)]


def _tail(chosen: random.Random, text: str) -> str:
    return text[chosen.randrange(len(text)) :]


def _fence(chosen: random.Random, text: str) -> str:
    return f"```{chosen.choice(['', 'json', 'JSON5'])}\n{text}\n```"


def _prose(chosen: random.Random, text: str) -> str:
    return f"{' '.join(chosen.choices(WORDS, k=4))}\n{text}\n{' '.join(chosen.choices(WORDS, k=4))}"


def _twice(chosen: random.Random, text: str) -> str:
    return text + chosen.choice(["", "\n", " or ", ","]) + text


def _wrapped(chosen: random.Random, text: str) -> str:
    return chosen.choice(['{"result": %s}', "[%s]", "{%s}", '"%s"', "<think>%s</think>", "(%s)"]) % text


def _insert(chosen: random.Random, text: str) -> str:
    for _ in range(chosen.randint(1, 4)):
        position = chosen.randrange(len(text) + 1)
        text = text[:position] + chosen.choice(NOISE) + text[position:]
    return text


def _delete(chosen: random.Random, text: str) -> str:
    for _ in range(chosen.randint(1, 4)):
        positions = [index for index, letter in enumerate(text) if not letter.isdigit()]
        if positions:
            position = chosen.choice(positions)
            text = text[:position] + text[position + 1 :]
    return text


def _swap(chosen: random.Random, text: str) -> str:
    lines = text.split("\n") if "\n" in text else text.split(", ")
    chosen.shuffle(lines)
    return ("\n" if "\n" in text else ", ").join(lines)


def _quotes(chosen: random.Random, text: str) -> str:
    return text.replace('"', chosen.choice(["'", "“", '\\"']))


def _as_text(chosen: random.Random, text: str) -> str:
    return re.sub(r'("score": )(\d+)', chosen.choice([r'\1"\2"', r"\1\2.0", r'\1" \2"']), text)


MANGLE: list[Callable[[random.Random, str], str]] = [
    _cut, _tail, _fence, _prose, _twice, _wrapped, _insert, _delete, _swap, _quotes, _as_text,
]  # fmt: skip


def test_no_score_is_invented__from_ten_thousand_mangled_replies() -> None:
    chosen = random.Random(20_240_607)
    names = ["accuracy", "style"]
    kept = harmless = 0
    for _ in range(MUTATIONS):
        text, given = _original(chosen, names)
        applied = chosen.sample(MANGLE, k=chosen.randint(1, 2))
        for mangle in applied:
            text = mangle(chosen, text)
        whole = set(applied) <= {_fence, _prose, _twice, _as_text}
        harmless += whole
        try:
            found = scores(text, *names, high=10)
        except UnreadableError as error:
            assert str(error)
            assert not whole, text
            continue
        kept += 1
        # No mutation adds or removes a digit: a score that comes out is the one that its dimension was given.
        assert found == given, text
    assert kept > harmless > MUTATIONS // 5
    assert 0.2 < kept / MUTATIONS < 0.6


def test_mangling_that_keeps_the_object_whole__loses_no_score() -> None:
    chosen = random.Random(7)
    for _ in range(1_000):
        text, given = _original(chosen, ["accuracy", "style"])
        for mangle in (_fence, _as_text):
            text = mangle(chosen, text)
        assert scores(text, "accuracy", "style", high=10) == given


def test_random_text__neither_raises_nor_scores() -> None:
    chosen = random.Random(11)
    alphabet = string.printable + '{}{}""":::,,,[]' + "accuracyscore0123456789" + "\ud800é漢\U0001f600"
    for _ in range(MUTATIONS):
        text = "".join(chosen.choices(alphabet, k=chosen.randint(0, 120)))
        with pytest.raises(UnreadableError):
            scores(text)


@pytest.mark.parametrize("digits", ["4", "5", "10", "44", "04"])
def test_broken_off_number__is_never_read(digits: str) -> None:
    whole = f'{{"accuracy": {{"reason": "x", "score": {digits}'
    for end in range(len(whole) + 1):
        with pytest.raises(UnreadableError):
            scores(whole[:end], high=10)
