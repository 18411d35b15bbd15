"""What the page of judges says of judges that ask a model is what they do."""

from __future__ import annotations

from documents import DOCS, read, sections, table
from test_docs_reference import default_text, limits

from abtest.contracts.records import VerdictStatus
from abtest.evaluation.asking import options
from abtest.evaluation.judges import pairwise, rubric
from abtest.evaluation.prompt_templates import VARIABLES
from abtest.evaluation.registry import dimension_names, judge_types, load_dimension

PAGE = DOCS / "judges.md"


def test_dimensions_stand_in_their_table__with_question_and_what_they_rest_on() -> None:
    rows = table(sections(PAGE)["Dimensions"])
    assert set(rows) == set(dimension_names())
    for name, cells in rows.items():
        one = load_dimension(name)
        assert cells[1:] == [one.question, ", ".join(one.reads) or "the question"]


def test_parts_of_a_dimension_stand_in_their_table__with_defaults_and_limits() -> None:
    _, text = sections(PAGE)["Dimensions"].split("One of your own", 1)
    rows = table(text)
    assert set(rows) == set(options.DimensionOptions.model_fields)
    for name, field in options.DimensionOptions.model_fields.items():
        assert rows[name][2] == default_text(field)
        for limit in limits(field.annotation, field.metadata):
            assert limit in rows[name][1], f"{name}: {limit}"
    assert f"up to {options.MOST_POINTS} points" in rows["scale"][1]


def test_template_variables_stand_in_their_table__with_the_judge_that_has_them() -> None:
    rows = table(sections(PAGE)["Templates"])
    assert set(rows) == set(VARIABLES["rubric"]) | set(VARIABLES["pairwise"])
    for name, cells in rows.items():
        has = [judge for judge in ("rubric", "pairwise") if name in VARIABLES[judge]]
        told = [judge for judge in ("rubric", "pairwise") if f"of `{judge}`" in cells[1]]
        assert told == ([] if len(has) == 2 else has), name


def test_parts_of_pinned_examples_are_named__with_their_judge() -> None:
    for name, model in (("rubric", rubric.PinnedAnswer), ("pairwise", pairwise.PinnedPair)):
        text = sections(PAGE)[name]
        own = set(model.model_fields) - set(options.PinnedOptions.model_fields)
        for field in own | (set(options.PinnedOptions.model_fields) if name == "rubric" else set()):
            assert f"`{field}`" in text, field


def test_parameters_and_their_defaults__are_told() -> None:
    cell = table(sections(PAGE)["rubric"])["parameters"][3]
    for name in options.AskParameters.model_fields:
        assert f"`{name}`" in cell
    text = " ".join(sections(PAGE)["What a judge is asked"].split())
    assert f"a temperature of {options.WISHED_TEMPERATURE:g}, a seed of {options.WISHED_SEED}" in text
    assert f"{options.MAX_TOKENS:,} tokens" in text


def test_statuses_stand_in_their_table__and_every_judge_is_offered() -> None:
    assert set(table(sections(PAGE)["Verdicts of judges that ask a model"])) == set(VerdictStatus.__args__)
    choice = sections(PAGE)["Choosing a judge"]
    for name in judge_types():
        assert f"`{name}`" in choice, name
    assert "(#rubric)" in read(PAGE)
