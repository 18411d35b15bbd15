"""Prompt templates: strict about what a sample lacks, shut off from everything else."""

from __future__ import annotations

import pytest

from abtest.core.errors import InvalidInputError
from abtest.management import templates


@pytest.mark.parametrize(
    ("source", "inputs", "prompt"),
    [
        ("Capital of {{ country }}?", {"country": "Chad"}, "Capital of Chad?"),
        ("{{ a }}&{{ b }}", {"a": "<i>", "b": "'"}, "<i>&'"),
        ("{{ doc.title }}: {{ doc['text'] }}", {"doc": {"title": "T", "text": "x"}}, "T: x"),
        ("{% for q in list %}{{ loop.index }}. {{ q }}\n{% endfor %}", {"list": ["a", "b"]}, "1. a\n2. b\n"),
        ("{% if hint is defined %}{{ hint }}{% else %}none{% endif %}", {}, "none"),
        ("{{ '-' * 10 }}{{ 3 * 4 }}", {}, "----------12"),
        ("{{ n | int + 1 }} {{ names | join(', ') }}", {"n": "41", "names": ["a", "b"]}, "42 a, b"),
        ("one\n", {}, "one"),
    ],
)
def test_prompt_is_rendered__from_the_samples_inputs(source: str, inputs: dict[str, object], prompt: str) -> None:
    assert templates.render(source, inputs) == prompt


@pytest.mark.parametrize(
    ("source", "inputs", "message"),
    [
        ("{{ country }}", {}, "'country' is undefined"),
        ("{{ doc.title }}", {"doc": {}}, "no attribute 'title'"),
        ("{{ n + 1 }}", {"n": "4"}, "TypeError"),
        ("{{ 1 / n }}", {"n": 0}, "ZeroDivisionError"),
    ],
)
def test_sample_that_lacks_something_is_refused__by_name(source: str, inputs: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match="the template cannot be rendered") as caught:
        templates.render(source, inputs)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id') }}",
        "{{ x.append(1) }}",
        "{{ x.__len__.__self__ }}",
        "{{ '{0.__class__}'.format(x) }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ n ** n }}",
        "{{ 'x' * 10000000 }}",
        "{{ 10000000 * [x] }}",
        "{% for i in range(100000000) %}x{% endfor %}",
        "{% set x.y = 1 %}",
    ],
)
def test_sandbox_refuses__what_reaches_out_or_takes_all_time(source: str) -> None:
    with pytest.raises(InvalidInputError):
        templates.render(source, {"x": [1], "n": 10**6})


@pytest.mark.parametrize("source", ["{% include 'a' %}", "{% import 'a' as a %}", "{% extends base %}"])
def test_other_templates_are_refused__before_the_run(source: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot include, import or extend"):
        templates.compiled(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ country", "syntax is wrong on line 1"),
        ("a\nb {% if %}", "syntax is wrong on line 2"),
        ("{{ x | nosuch }}", "No filter named 'nosuch'"),
        ("{{" + "(" * 5_000 + "x" + ")" * 5_000 + "}}", "nested too deeply"),
        ("{% for a in x %}" * 40 + "{% endfor %}" * 40, "nested too deeply"),
    ],
)
def test_wrong_syntax_is_told__before_the_run(source: str, message: str) -> None:
    for check in (templates.compiled, templates.variables, templates.fixed_text):
        with pytest.raises(InvalidInputError) as caught:
            check(source)  # type: ignore[operator]
        assert message in caught.value.message


def test_variables_are_those__the_sample_must_have() -> None:
    source = "{% set y = 1 %}{{ a }}{{ b.c }}{% for q in d %}{{ q }}{{ loop.index }}{% endfor %}{{ y }}{{ range(3) }}"

    assert templates.variables(source) == {"a", "b", "d"}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Say {{ word }}!", "Say !"),
        ("{{ word }} {{ other.name }}", ""),
        ("{# a comment #} \n {{ word + 1 }}", "1"),
        ("{% if x %}yes{% else %}no{% endif %}", "yesno"),
        ("{{ 'hello' }}", "hello"),
        ("{% raw %}{{ word }}{% endraw %}", "{{ word }}"),
    ],
)
def test_fixed_text_is_what_the_template_says_itself__without_being_run(source: str, text: str) -> None:
    assert templates.fixed_text(source) == text
