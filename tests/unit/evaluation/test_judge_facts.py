from __future__ import annotations

from typing import Any

import pytest
from asking_cases import compiled, judge

from abtest.contracts.judging import MetricFacts
from abtest.core.errors import InvalidInputError
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import check_judges, dimensions_of, judge_facts
from abtest.evaluation.validation import check_parameters

EXACT = JudgeConfiguration(name="correct", type="exact_match")
TONE = {"question": "Is it friendly?", "scale": [0, 1], "anchors": {0: "Rude.", 1: "Kind."}}


def panel(name: str = "council", **options: Any) -> JudgeConfiguration:
    return JudgeConfiguration(name=name, type="panel", parameters={"members": ["one", "two"], **options})


def rubrics(*names: str, **options: Any) -> list[JudgeConfiguration]:
    return [judge("rubric", name, model=f"model-{name}", **options) for name in names]


def test_judge_in_code_is_known__by_its_options() -> None:
    facts = judge_facts([EXACT, JudgeConfiguration(name="near", type="rouge_l")])
    assert list(facts) == ["correct", "near"]
    assert (facts["correct"].kind, facts["correct"].reference, facts["correct"].models) == ("code", "needed", ())
    assert facts["correct"].metrics == (MetricFacts(name="correct", binary=True),)
    assert not facts["near"].metrics[0].binary
    strict, loose, renamed = judge_facts(
        [
            EXACT,
            JudgeConfiguration(name="loose", type="exact_match", parameters={"case_sensitive": False}),
            JudgeConfiguration(name="same", type="exact_match", parameters={"case_sensitive": True}),
        ]
    ).values()
    assert strict.version == renamed.version != loose.version
    assert len(strict.version) == 16


def test_rubric_is_known__with_a_metric_for_each_dimension() -> None:
    facts = judge_facts([judge("rubric", dimensions=["accuracy", "style"], repeats=3, reference="required")])["quality"]
    assert (facts.kind, facts.pairwise, facts.reference, facts.calls_per_answer) == ("model", False, "needed", 3)
    assert [(one.name, one.dimension, one.scale) for one in facts.metrics] == [
        ("quality", None, (1.0, 5.0)),
        ("quality.accuracy", "accuracy", (1.0, 5.0)),
        ("quality.style", "style", (1.0, 5.0)),
    ]
    assert "Are the facts" in facts.fixed_text
    assert "=== BEGIN RESPONSE" in facts.fixed_text


def test_one_dimension_makes_one_metric__of_the_judges_name() -> None:
    facts = judge_facts([judge("rubric")])["quality"]
    assert [one.name for one in facts.metrics] == ["quality"]


@pytest.mark.parametrize(
    ("options", "binary"),
    [
        ({"dimensions": {"tone": TONE}}, [True]),
        ({"dimensions": {"tone": TONE}, "repeats": 2}, [False]),
        ({"dimensions": {"tone": TONE, "manner": TONE}}, [False, True, True]),
        ({"dimensions": ["accuracy"]}, [False]),
    ],
)
def test_metric_is_binary__only_where_every_score_is_0_or_1(options: dict[str, Any], binary: list[bool]) -> None:
    assert [one.binary for one in judge_facts([judge("rubric", **options)])["quality"].metrics] == binary


@pytest.mark.parametrize(("orders", "repeats", "calls"), [("both", 1, 2), ("both", 3, 6), ("random", 3, 3)])
def test_pairwise_is_known__with_its_calls(orders: str, repeats: int, calls: int) -> None:
    facts = judge_facts([judge("pairwise", orders=orders, repeats=repeats, reference="never")])["quality"]
    assert (facts.pairwise, facts.calls_per_answer, facts.reference) == (True, calls, "none")
    assert facts.metrics == (MetricFacts(name="quality", binary=False, scale=(0.0, 1.0)),)


def test_fixed_text_is_the_prompt__without_a_sample() -> None:
    facts = judge_facts(
        [judge("pairwise", template={"user": "{{ inputs.x }} {{ documents[0] }} {{ first }}{{ second }}"})]
    )
    # Nothing has no first document: the template's own text stands for the prompt then.
    assert "{{ documents[0] }}" in facts["quality"].fixed_text
    plain = judge_facts([judge("pairwise", template={"user": "Q {{ inputs.x }} {{ first }}{{ second }}"})])["quality"]
    assert "Q " in plain.fixed_text
    assert "{{" not in plain.fixed_text


CHANGES: list[dict[str, Any]] = [
    {"provider": "other"},
    {"model": "judge-2"},
    {"parameters": {"temperature": 0.5}},
    {"parameters": {"max_tokens": 2048}},
    {"dimensions": ["style"]},
    {"dimensions": ["helpfulness", "style"]},
    {"dimensions": {"helpfulness": {"question": "Does it help?"}}},
    {"reference": "never"},
    {"repeats": 2},
    {"structured_output": "never"},
    {"template": {"system": "Be strict."}},
]


@pytest.mark.parametrize("kind", ["rubric", "pairwise"])
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_version_changes__with_all_that_may_move_a_score(kind: str, change: dict[str, Any]) -> None:
    assert compiled(kind).version != compiled(kind, **change).version


def test_version_changes__with_what_one_type_alone_has() -> None:
    anchors = {1: "Of no use.", 5: "Of use."}
    rubric = {"helpfulness": {"anchors": anchors}}
    assert compiled("rubric").version != compiled("rubric", dimensions=rubric).version
    two = {"accuracy": {"weight": 2}, "style": None}
    assert compiled("rubric", dimensions=["accuracy", "style"]).version != compiled("rubric", dimensions=two).version
    order = compiled("rubric", dimensions=["style", "accuracy"])
    assert order.version != compiled("rubric", dimensions=["accuracy", "style"]).version
    versions = {compiled("pairwise", **one).version for one in ({}, {"orders": "random"}, {"ties": False})}
    assert len(versions) == 3


@pytest.mark.parametrize("kind", ["rubric", "pairwise"])
def test_version_stays__when_name_or_fallbacks_change(kind: str) -> None:
    pinned: dict[str, Any] = {"answer": "4", "score": 5}
    if kind == "pairwise":
        pinned = {"first": "4", "second": "5", "preference": "first"}
    same = [
        compiled(kind),
        compiled(kind, name="renamed"),
        compiled(kind, fallbacks=[{"provider": "x", "model": "y"}]),
        compiled(kind, pinned_examples=[pinned]),
        compiled(kind, dimensions={"helpfulness": {}}),
    ]
    assert len({one.version for one in same}) == 1
    assert judge_facts([judge(kind)])["quality"].version == same[0].version
    assert len(same[0].version) == 16


@pytest.mark.parametrize(
    "written",
    [
        {"parameters": {"temperature": 0}},
        {"parameters": {"seed": 0, "temperature": 0.0, "max_tokens": 1024}},
        {"repeats": 1, "reference": "if_present", "structured_output": "auto"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["rubric", "pairwise"])
def test_version_stays__when_a_default_is_written_out(kind: str, written: dict[str, Any]) -> None:
    bare, full = judge_facts([judge(kind, "bare"), judge(kind, "full", **written)]).values()
    assert bare.version == full.version


def test_version_stays__however_anchors_are_written() -> None:
    forms = ({1: "Rude.", 5: "Kind."}, {5: "Kind.", 1: "Rude."}, {"1": "Rude.", "5": "Kind."})
    judges = [
        judge("rubric", f"j{n}", dimensions={"tone": {"question": "Kind?", "anchors": anchors}})
        for n, anchors in enumerate(forms)
    ]
    assert len({facts.version for facts in judge_facts(judges).values()}) == 1


def test_version_of_a_panel_stays__when_its_members_are_named_in_another_order() -> None:
    panels = [panel("here"), panel("there", members=["two", "one"])]
    facts = judge_facts([*rubrics("one", "two"), *panels])
    assert facts["here"].version == facts["there"].version


def test_dimensions_are_told__with_their_anchors() -> None:
    accuracy, tone = dimensions_of(
        judge(
            "rubric",
            dimensions={"accuracy": {"weight": 2}, "tone": {**TONE, "scale": [1, 5], "anchors": {"5": "b", "1": "a"}}},
        )
    )
    assert (accuracy.name, accuracy.weight, accuracy.reads) == ("accuracy", 2.0, ("reference", "documents"))
    assert (tone.question, tone.scale, list(tone.anchors.items())) == ("Is it friendly?", (1, 5), [(1, "a"), (5, "b")])
    assert dimensions_of(EXACT) == ()
    assert dimensions_of(panel()) == ()


def test_panel_is_known__by_its_members() -> None:
    one, two = rubrics("one", "two", dimensions=["accuracy", "style"])
    strong = judge("rubric", "strong", model="big", dimensions=["accuracy"], reference="required")
    council = panel(consensus="weighted", weights={"one": 2}, on_disagreement="escalate", escalate_to="strong")
    facts = judge_facts([council, one, two, strong])
    assert list(facts) == ["council", "one", "two", "strong"]
    found = facts["council"]
    assert (found.kind, found.members, found.consensus, found.escalate_to) == (
        "panel", ("one", "two"), "weighted", "strong",
    )  # fmt: skip
    assert [(metric.name, metric.scale) for metric in found.metrics] == [
        ("council", (1.0, 5.0)),
        ("council.accuracy", (1.0, 5.0)),
        ("council.style", (1.0, 5.0)),
    ]
    assert (found.reference, found.pairwise, found.models, found.calls_per_answer) == ("needed", False, (), 0)


def test_version_of_a_panel_changes__with_its_members_and_options() -> None:
    def version(*judges: JudgeConfiguration) -> str:
        return judge_facts(judges)["council"].version

    base = version(panel(), *rubrics("one", "two"))
    assert base == version(panel(), *rubrics("one", "two", fallbacks=[{"provider": "x", "model": "y"}]))
    renamed = [
        JudgeConfiguration(name=name, type="rubric", parameters=one.parameters)
        for name, one in zip("ab", rubrics("one", "two"), strict=True)
    ]
    assert base == version(panel(members=["a", "b"]), *renamed)
    others = [
        version(panel(), *rubrics("one", "two", repeats=2)),
        version(panel(consensus="median"), *rubrics("one", "two")),
        version(panel(agree_within=1), *rubrics("one", "two")),
        version(panel(on_disagreement="abstain"), *rubrics("one", "two")),
        version(panel(consensus="weighted", weights={"one": 2}), *rubrics("one", "two")),
        version(panel(consensus="weighted", weights={"two": 2}), *rubrics("one", "two")),
    ]
    assert len({base, *others}) == 7


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"members": ["one"]}, "members", "at least 2 items"),
        ({"members": ["one", "one"]}, "members", "named twice"),
        ({"consensus": "mode"}, "consensus", "choices"),
        ({"weights": {"one": 2}}, "parameters", "weights do nothing"),
        ({"consensus": "weighted"}, "parameters", "needs weights"),
        ({"consensus": "weighted", "weights": {"one": 0}}, "weights.one", "greater than 0"),
        ({"agree_within": -1}, "agree_within", "greater than or equal to 0"),
        ({"on_disagreement": "escalate"}, "parameters", "escalate_to which judge"),
        ({"escalate_to": "strong"}, "parameters", "does nothing"),
        ({"agree_within": "NaN"}, "agree_within", "finite"),
    ],
)
def test_wrong_option_of_a_panel__is_told(options: dict[str, Any], path: str, says: str) -> None:
    (issue,) = check_parameters("panel", panel(**options).parameters)
    assert issue.path == path
    assert says in issue.sentence()


TWO = ["style", "accuracy"]
MANY = {"members": ["one", "many"]}
STRONG = {"on_disagreement": "escalate", "escalate_to": "strong"}


@pytest.mark.parametrize(
    ("judges", "path", "says"),
    [
        ([panel(members=["one", "twoo"])], "council.members.1", "did you mean 'two'"),
        ([panel(members=["one", "other"]), panel("other")], "council.members.1", "a panel cannot be part of a panel"),
        ([panel(members=["one", "council"])], "council.members.1", "a panel cannot be part of a panel"),
        ([panel(on_disagreement="escalate", escalate_to="big")], "council.escalate_to", "no such judge"),
        ([panel(on_disagreement="escalate", escalate_to="two")], "council.escalate_to", "is a member"),
        ([panel(on_disagreement="escalate", escalate_to="correct")], "council.escalate_to", "asks a model"),
        ([panel(consensus="weighted", weights={"tow": 2})], "council.weights.tow", "no member"),
        ([panel(members=["one", "pairs"]), judge("pairwise", "pairs")], "council.members", "pairs compares"),
        ([panel(members=["one", "correct"])], "council.members", "correct 0 to 1"),
        ([panel(**STRONG), judge("pairwise", "strong")], "council.members", "strong compares"),
        ([panel(**MANY, consensus="dawid_skene"), *rubrics("many", dimensions=TWO)], "council.members.1", "equal"),
        ([panel(**MANY, consensus="majority"), *rubrics("many", repeats=2)], "council.members.1", "without repeats"),
        (rubrics("one"), "one", "two judges have this name"),
    ],
)  # fmt: skip
def test_judges_that_do_not_fit_together__are_told(judges: list[JudgeConfiguration], path: str, says: str) -> None:
    everybody = [*judges, *rubrics("one", "two"), EXACT]
    found = [issue for issue in check_judges(everybody) if issue.path == path]
    assert says in found[0].sentence()
    with pytest.raises(InvalidInputError) as caught:
        judge_facts(everybody)
    assert path in {issue.path for issue in caught.value.issues}


@pytest.mark.parametrize(
    "judges",
    [
        [panel(consensus="dawid_skene"), *rubrics("one", "two")],
        [panel(consensus="majority"), judge("pairwise", "one"), judge("pairwise", "two", model="x")],
        [panel(members=["correct", "tone"]), EXACT, judge("rubric", "tone", dimensions={"tone": TONE})],
        [panel(**STRONG, agree_within=1), *rubrics("one", "two", "strong")],
        [panel(), panel("second", members=["two", "one"]), *rubrics("one", "two")],
    ],
)
def test_judges_that_fit_together__have_no_issues(judges: list[JudgeConfiguration]) -> None:
    assert check_judges(judges) == []
    assert set(judge_facts(judges)) == {one.name for one in judges}


def test_judge_with_wrong_options__is_not_told_twice() -> None:
    broken = judge("rubric", "two", dimensions=[])
    assert check_judges([panel(), *rubrics("one"), broken]) == []
    with pytest.raises(InvalidInputError) as caught:
        judge_facts([panel(), *rubrics("one"), broken])
    assert [issue.path for issue in caught.value.issues] == ["two.dimensions"]


def test_all_issues_of_all_judges_are_told__at_once() -> None:
    judges = [panel(members=["one", "gone"]), *rubrics("one"), judge("rubric", "bad", repeats=0, dimensions=["x"])]
    with pytest.raises(InvalidInputError, match="The judges cannot work") as caught:
        judge_facts(judges)
    assert {issue.path for issue in caught.value.issues} == {"bad.repeats", "bad.dimensions", "council.members.1"}
