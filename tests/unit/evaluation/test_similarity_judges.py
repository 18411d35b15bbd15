"""Judges that say how alike two texts are: worked by hand, and beside the tools whose names they bear."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu import BLEU, CHRF

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import Score
from abtest.evaluation.registry import load_judge
from abtest.evaluation.similarity import LONGEST_CHARACTERS
from abtest.evaluation.text import composed
from abtest.evaluation.tokens import mteval_tokens, words

JUDGES = ("bleu", "chrf", "edit_distance", "rouge_l")
# Few letters and marks make texts that share much and meet every rule of the tokenisers.
TEXTS = st.text(alphabet="abT19 .,-!'&;\"\n(é中", max_size=60)
WORDY = st.lists(st.sampled_from(["the", "cat", "sat", "on", "mat", "a", "3.5", "x-1", "end."]), max_size=14)
SENTENCES = WORDY.map(" ".join)
ANY_TEXT = st.text(max_size=60)


def judged(judge_type: str, answer: str, reference: Any, **parameters: Any) -> Score:
    judge = load_judge(judge_type)
    scorer = judge.compile(judge.Parameters.model_validate(parameters))
    assert callable(scorer)
    return scorer(Sample(id="s1", reference=reference), answer)


def longest_common_subsequence(one: list[str], other: list[str]) -> int:
    """The textbook's table, row by row."""
    row = [0] * (len(other) + 1)
    for token in one:
        above = row
        row = [0]
        for place, candidate in enumerate(other):
            row.append(above[place] + 1 if token == candidate else max(above[place + 1], row[place]))
    return row[-1]


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        # Lin 2004, section 3.1: S2 and S3 against S1, beta 1.
        ("police kill the gunman", "police killed the gunman", {}, 3 / 4),
        ("the gunman kill police", "police killed the gunman", {}, 2 / 4),
        ("The cat, it sat!", "the cat sat", {}, 2 * 3 / 7),
        ("The cat, it sat!", "the cat sat", {"measure": "recall"}, 1),
        ("The cat, it sat!", "the cat sat", {"measure": "precision"}, 3 / 4),
        ("The cat", "the cat", {"case_sensitive": True}, 1 / 2),
        ("don_t stop", "don t stop", {}, 1),
        ("北京是首都", "北京是中国首都", {}, 0),
        ("北京是首都", "北京是中国首都", {"tokens": "characters"}, 2 * 5 / 12),
        ("नमस्ते दुनिया", "नमस्ते जग", {}, 1 / 2),
        ("", "the cat", {}, 0),
        ("...", "the cat", {"measure": "precision"}, 0),
        ("the the the", "the cat", {}, 2 / 5),
    ],
)
def test_rouge_l__is_what_the_formula_gives(
    answer: str, reference: str, parameters: dict[str, Any], score: float
) -> None:
    assert judged("rouge_l", answer, reference, **parameters).score == pytest.approx(score, abs=1e-15)


@given(SENTENCES, SENTENCES.filter(str.strip))
def test_rouge_l__equals_the_table_of_the_textbook(answer: str, reference: str) -> None:
    one, other = words(answer), words(reference)
    common = longest_common_subsequence(one, other)
    assert judged("rouge_l", answer, reference).score == pytest.approx(2 * common / (len(one) + len(other)))


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        # Shared 5 of 6, 3 of 5, 1 of 4, 0 of 3 (halved once: 0.5 of 3); no penalty.
        ("the cat sat on the mat", "the cat was on the mat", {}, (5 / 6 * 3 / 5 * 1 / 4 * 0.5 / 3) ** 0.25),
        ("the cat sat on the mat", "the cat was on the mat", {"smoothing": "none"}, 0),
        ("the cat sat on the mat", "the cat was on the mat", {"highest_order": 2}, (5 / 6 * 3 / 5) ** 0.5),
        # Papineni 2002, section 2.1: "the" counts as often as the reference has it.
        ("the the the the the the the", "the cat is on the mat", {"highest_order": 1}, 2 / 7),
        # Too short an answer: exp(1 - 6/2); orders above 2 are left out.
        ("the cat", "the cat is on the mat", {}, math.exp(1 - 6 / 2)),
        ("the cat is on the mat", "the cat is on the mat", {}, 1),
        ("yes", "yes", {}, 1),
        ("dog", "the cat", {}, 0),
        ("", "the cat", {}, 0),
        ("The", "the", {}, 0),
        ("The", "the", {"case_sensitive": False}, 1),
        ("the cat sat", "the cat.", {"smoothing": "add_one"}, (2 / 3 * 2 / 3 * 1 / 2 * 1) ** 0.25),
        ("the cat!", "the cat", {"tokens": "words"}, 1),
        ("北京", "北京", {"tokens": "characters"}, 1),
    ],
)
def test_bleu__is_what_the_formula_gives(answer: str, reference: str, parameters: dict[str, Any], score: float) -> None:
    assert judged("bleu", answer, reference, **parameters).score == pytest.approx(score, abs=1e-15)


@pytest.mark.parametrize(("ours", "theirs"), [("exponential", "exp"), ("floor", "floor"), ("add_one", "add-k")])
@given(answer=st.one_of(TEXTS, SENTENCES), reference=st.one_of(TEXTS, SENTENCES))
def test_bleu__equals_sacrebleu(ours: str, theirs: str, answer: str, reference: str) -> None:
    answer, reference = composed(answer), composed(reference)
    if not mteval_tokens(reference):
        return
    expected = BLEU(effective_order=True, smooth_method=theirs).sentence_score(answer, [reference]).score / 100
    assert judged("bleu", answer, reference, smoothing=ours).score == pytest.approx(expected, abs=1e-12)


@given(st.text(alphabet="ab1.,-'!&<>;qutamplgskied\n ", max_size=40))
def test_tokens__equal_those_of_sacrebleu(text: str) -> None:
    # The metric strips the end of a text before its tokeniser sees it.
    assert mteval_tokens(text) == BLEU().tokenizer(text.rstrip()).split()


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        # "abc" and "abd": 2 of 3 letters, 1 of 2 pairs, 0 of 1 triple; both means are (2/3 + 1/2 + 0) / 3.
        ("abc", "abd", {}, (2 / 3 + 1 / 2) / 3),
        # "ab" in "abab": precision 1 and 1; recall 2/4 and 1/3; two lengths count. F with beta 2.
        ("ab", "abab", {}, 5 * 1 * (5 / 12) / (4 * 1 + 5 / 12)),
        ("ab", "abab", {"beta": 1}, 2 * (5 / 12) / (1 + 5 / 12)),
        ("a b", "ab", {}, 1),
        ("AB", "ab", {}, 0),
        ("AB", "ab", {"case_sensitive": False}, 1),
        ("ab", "ac", {"character_order": 1}, 1 / 2),
        # One letter of two, and no word of one.
        ("ab", "ac", {"character_order": 1, "word_order": 1}, 1 / 4),
        ("", "ab", {}, 0),
    ],
)
def test_chrf__is_what_the_formula_gives(answer: str, reference: str, parameters: dict[str, Any], score: float) -> None:
    assert judged("chrf", answer, reference, **parameters).score == pytest.approx(score, abs=1e-15)


@pytest.mark.parametrize("word_order", [0, 2])
@given(answer=st.one_of(TEXTS, SENTENCES), reference=st.one_of(TEXTS, SENTENCES))
def test_chrf__equals_sacrebleu(word_order: int, answer: str, reference: str) -> None:
    answer, reference = composed(answer), composed(reference)
    if not reference.strip():
        return
    expected = CHRF(word_order=word_order).sentence_score(answer, [reference]).score / 100
    assert judged("chrf", answer, reference, word_order=word_order).score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        ("kitten", "sitting", {}, 1 - 3 / 7),
        ("1945", "1946", {}, 3 / 4),
        ("Paris", "paris", {}, 4 / 5),
        ("The Paris.", "paris", {"case_sensitive": False, "ignore_articles": True, "ignore_punctuation": True}, 1),
        ("take the second left", "take the first left", {"tokens": "words"}, 3 / 4),
        ("cafe\u0301", "caf\u00e9", {}, 1),
        ("", "", {}, 1),
        ("abc", "", {}, 0),
        ("", "abc", {}, 0),
    ],
)
def test_edit_distance__is_what_the_formula_gives(
    answer: str, reference: str, parameters: dict[str, Any], score: float
) -> None:
    found = judged("edit_distance", answer, reference, **parameters)
    assert found.score == pytest.approx(score, abs=1e-15)
    assert (found.reason is None) == (score == 1)


@pytest.mark.parametrize("judge_type", JUDGES)
@settings(max_examples=200)
@given(answer=ANY_TEXT, reference=ANY_TEXT)
def test_score__lies_on_the_scale_for_any_text(judge_type: str, answer: str, reference: str) -> None:
    try:
        found = judged(judge_type, answer, reference)
    except UnjudgeableError as error:
        assert "'s1'" in error.message
        return
    assert 0 <= found.score <= 1
    assert (found.reason is None) == (found.score == 1)
    assert judged(judge_type, reference, reference).score == 1


@pytest.mark.parametrize("judge_type", JUDGES)
@given(answer=SENTENCES, references=st.lists(SENTENCES.filter(str.strip), min_size=1, max_size=4))
def test_best_match_counts__among_accepted_texts(judge_type: str, answer: str, references: list[str]) -> None:
    alone = [judged(judge_type, answer, reference).score for reference in references]
    assert judged(judge_type, answer, references).score == max(alone)


@pytest.mark.parametrize("judge_type", JUDGES)
@pytest.mark.parametrize("reference", [None, [], {"a": 1}, [None], [["a"]], ["a", {}]])
def test_cannot_judge__without_a_text_to_compare(judge_type: str, reference: Any) -> None:
    with pytest.raises(UnjudgeableError, match="'s1'"):
        judged(judge_type, "a", reference)


@pytest.mark.parametrize(
    ("judge_type", "reference", "parameters", "says"),
    [
        ("rouge_l", "?!", {}, "has no words"),
        ("rouge_l", ["yes", "?!"], {}, "has no words"),
        ("rouge_l", "?!", {"tokens": "characters"}, "has no characters"),
        ("bleu", " ", {}, "has no words"),
        ("chrf", "\n", {"word_order": 2}, "has no characters"),
        ("edit_distance", "The.", {"ignore_articles": True, "ignore_punctuation": True}, "has no text left"),
    ],
)
def test_cannot_judge__when_a_reference_has_nothing_to_compare(
    judge_type: str, reference: Any, parameters: dict[str, Any], says: str
) -> None:
    with pytest.raises(UnjudgeableError, match=says):
        judged(judge_type, "yes", reference, **parameters)


@pytest.mark.parametrize("judge_type", JUDGES)
def test_cannot_judge__texts_beyond_the_bound(judge_type: str) -> None:
    long = "ab " * (LONGEST_CHARACTERS // 3 + 1)
    with pytest.raises(UnjudgeableError, match=r"the answer has 200,\d{3} characters; .* up to 200,000"):
        judged(judge_type, long, "a")
    with pytest.raises(UnjudgeableError, match="the reference of the sample 's1' has 200,"):
        judged(judge_type, "a", long)


def test_references_are_read_anew__when_the_sample_changes() -> None:
    judge = load_judge("rouge_l")
    scorer = judge.compile(judge.Parameters())
    assert callable(scorer)
    scores = [scorer(Sample(id="s", reference=text), "one").score for text in ("one", "two", "one")]
    assert scores == [1, 0, 1]
    with pytest.raises(UnjudgeableError, match="'s2'"):
        scorer(Sample(id="s2", reference="?"), "one")
