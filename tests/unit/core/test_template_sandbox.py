"""No template takes all time or memory: what is short to write and long to run is refused, soon and by name."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from abtest.core.errors import InvalidInputError
from abtest.core.template_sandbox import MOST_CHARACTERS, MOST_STEPS
from abtest.core.templating import render

LONG = "x" * 900_000
DOUBLED = "".join(f"{{% set a{n + 1} = a{n} ~ a{n} %}}" for n in range(40))
ADDED = "".join(f"{{% set a{n + 1} = a{n} + a{n} %}}" for n in range(40))
CAPTURED = "".join(f"{{% set a{n + 1} %}}{{{{ a{n} }}}}{{{{ a{n} }}}}{{% endset %}}" for n in range(40))

ENDLESS = {
    "nested loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "loops over data": "{% for a in many %}{% for b in many %}{% for c in many %}{% endfor %}{% endfor %}{% endfor %}",
    "a long range": "{% for a in range(100000) %}x{% endfor %}",
    "many loops": "{% for a in many %}{% endfor %}" * 20,
    "a recursive macro": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "a recursive loop": "{% for a in many recursive %}{{ loop(many) }}{% endfor %}",
    "a called macro": "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}x{% endcall %}",
    "doubling": "{% set a0 = long %}" + DOUBLED,
    "adding": "{% set a0 = long %}" + ADDED,
    "adding lists": "{% set a0 = many %}" + ADDED,
    "capturing": "{% set a0 = long %}" + CAPTURED,
    "output": "{{ long }}" * 20,
    "a loop's own text": "{% for a in many %}" + LONG[:100_000] + "{% endfor %}",
    "a captured loop's own text": "{% set t %}{% for a in many %}" + LONG[:100_000] + "{% endfor %}{% endset %}",
    "join": "{{ ([long] * 100000) | join }}",
    "join with a long text between": "{{ many | join(long) }}",
    "replace": "{{ long | replace('x', long) }}",
    "the method replace": "{{ long.replace('x', long) }}",
    "the method by item": "{{ long['replace']('x', long) }}",
    "the method by filter": "{{ (long | attr('replace'))('x', long) }}",
    "map of a method": "{{ [long] | map(attribute='ljust') | list }}",
    "ljust": "{{ 'x'.ljust(999999999) }}",
    "zfill": "{{ 'x'.zfill(999999999) }}",
    "the filter center": "{{ 'x' | center(999999999) }}",
    "batch": "{{ [1] | batch(999999999, 'x') | list }}",
    "slice": "{{ [1] | slice(999999999) | list }}",
    "indent": "{{ 'x' | indent(999999999, true) }}",
    "wordwrap": "{{ 'x y' | wordwrap(1, wrapstring=long) }}",
    "tojson": "{{ many | tojson(indent=999999) }}",
    "a wide field": "{{ '%999999999d' % 1 }}",
    "a width as an argument": "{{ '%*d' % (999999999, 1) }}",
    "the filter format": "{{ '%999999999s' | format(1) }}",
    "the method format": "{{ '{:999999999}'.format(1) }}",
    "to_bytes": "{{ (1).to_bytes(999999999, 'big') }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "a long repetition": "{{ long * 1000 }}",
    "lipsum": "{{ lipsum(n=100000) }}",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_what_takes_all_time_or_memory_is_refused__within_seconds_and_100_mb(source: str) -> None:
    values: dict[str, Any] = {"long": LONG, "many": list(range(1000))}
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(InvalidInputError) as caught:
            render(source, values)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 5
    assert peak < 100_000_000
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for a in many %}{{ a }},{% endfor %}", "0,1,2,"),
        (
            "{% for a in many %}{{ loop.index }}/{{ loop.length }}{{ '' if loop.last else ' ' }}{% endfor %}",
            "1/3 2/3 3/3",
        ),
        ("{% for a in many if a %}{{ a }}{% else %}none{% endfor %}", "12"),
        ("{% for a in many if a > 9 %}{{ a }}{% else %}none{% endfor %}", "none"),
        ("{% for k, v in table.items() %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;"),
        ("{% for a in many %}{% for b in many %}{{ a * b }}{% endfor %}{% endfor %}", "000012024"),
        ("{{ many | join(', ') }} {{ rows | join('+', attribute='n') }}", "0, 1, 2 1+2"),
        ("{{ 'a' ~ 1 ~ none ~ 'b' }}{{ 'a' + 'b' }}{{ [1] + [2] }}", "a1Nonebab[1, 2]"),
        ("{{ 'banana' | replace('a', 'o') }} {{ 'banana' | replace('a', 'o', 1) }}", "bonono bonana"),
        ("{{ '%s is %.2f' % ('pi', 3.14159) }} {{ '%03d' | format(7) }}", "pi is 3.14 007"),
        ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
        ("{{ table | tojson }}", '{"a": 1, "b": 2}'),
        ("{{ range(3) | list }} {{ range(5, 0, -2) | list }}", "[0, 1, 2] [5, 3, 1]"),
        ("{% set x %}in {{ many[0] }}{% endset %}{{ x | upper }}", "IN 0"),
        ("{{ none }} {{ true }} {{ 1.5 }} {{ many }}", "None True 1.5 [0, 1, 2]"),
        ("{{ '-' * 5 }}{{ 7 % 4 }}", "-----3"),
    ],
)
def test_what_prompts_are_made_of_stays_as_it_is(source: str, text: str) -> None:
    values = {"many": [0, 1, 2], "table": {"a": 1, "b": 2}, "rows": [{"n": 1}, {"n": 2}]}
    assert render(source, values) == text


def test_a_budget_is_that_of_one_rendering__and_not_of_a_template() -> None:
    source = "{% for a in many %}{{ text }}{% endfor %}"
    values = {"many": range(MOST_STEPS // 2), "text": "y" * (MOST_CHARACTERS // MOST_STEPS)}
    for _ in range(5):
        assert len(render(source, values)) == MOST_CHARACTERS // 2


def test_the_refusal_says_what_was_too_much() -> None:
    with pytest.raises(InvalidInputError, match="its loops turn more than 10,000 times"):
        render(ENDLESS["nested loops"], {})
    with pytest.raises(InvalidInputError, match="it makes more than 10,000,000 characters"):
        render(ENDLESS["output"], {"long": LONG})
