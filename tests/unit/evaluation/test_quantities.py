from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.evaluation.quantities import number_in, quantity_in
from abtest.evaluation.units import Unit, _units, currency_named, unit_named


def unit(name: str) -> Unit:
    found = unit_named(name)
    assert found is not None, name
    return found


@pytest.mark.parametrize(
    ("text", "value", "name"),
    [
        ("5 km", "5", "kilometre"),
        ("It takes 5km.", "5", "kilometre"),
        ("a 5-km walk", "5", "kilometre"),
        ("5 Kilometers away", "5", "kilometre"),
        ("5 KM", "5", "kilometre"),
        (r"$5\text{ km}$", "5", "kilometre"),
        (r"so \boxed{5\,\mathrm{km}}", "5", "kilometre"),
        ("**5** km", "5", "kilometre"),
        ("3 kilowatt-hours", "3", "kilowatt hour"),
        ("60 miles per hour", "60", "mile per hour"),
        ("5 m/s", "5", "metre per second"),
        ("5 m", "5", "metre"),
        ("5 µm", "5", "micrometre"),
        ("5 μm", "5", "micrometre"),
        ("12 in.", "12", "inch"),
        ("18 in total", "18", None),
        ("18\nIn total, fine", "18", None),
        ("18 In total", "18", None),
        ("37 °C", "37", "degree celsius"),
        ("37° C", "37", "degree celsius"),
        ("98.6 degrees Fahrenheit", "98.6", "degree fahrenheit"),
        ("5 MW", "5", "megawatt"),
        ("5 mW", "5", "milliwatt"),
        ("5 mw", "5", None),
        ("5 Mb", "5", None),
        ("5 MB", "5", "megabyte"),
        ("50%", "50", "percent"),
        (r"50\%", "50", "percent"),
        ("50 per cent", "50", "percent"),
        ("-$20", "-20", "dollar"),
        ("US$20", "20", "dollar"),
        (r"\$20", "20", "dollar"),
        ("$5 or $6", "6", "dollar"),
        ("A$20", "20", None),
        ("CAD $20", "20", "canadian dollar"),
        ("EUR 20", "20", "euro"),
        ("20 € a day", "20", "euro"),
        ("20$", "20", "dollar"),
        ("$18$", "18", None),
        ("$2 + 3 = 5 km$", "5", "kilometre"),
        ("5 apples", "5", None),
        ("5", "5", None),
    ],
)
def test_quantity_is_read__from_a_text(text: str, value: str, name: str | None) -> None:
    found = quantity_in(text)
    assert found is not None
    assert found.value == Decimal(value)
    assert (found.unit.name if found.unit else None) == name


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("5 km", True),
        (" $20. ", True),
        ("USD 20", True),
        ("5", True),
        ("about 5 km", False),
        ("5 km away", False),
        ("5 apples", False),
        ("no number", False),
        ("", False),
    ],
)
def test_whole_text_must_be_one_quantity__when_asked(text: str, known: bool) -> None:
    assert (quantity_in(text, "whole") is not None) is known


@pytest.mark.parametrize(
    ("value", "one", "other", "expected"),
    [
        (1, "mi", "ft", 5280),
        (1, "ft", "in", 12),
        (36, "km/h", "m/s", 10),
        (1, "knot", "km/h", Fraction("1.852")),
        (-40, "°C", "°F", -40),
        (100, "°C", "K", Fraction("373.15")),
        (1, "lb", "oz", 16),
        (1, "ha", "m²", 10_000),
        (1, "GiB", "MiB", 1024),
        (1, "GB", "MB", 1000),
        (1, "kcal", "J", 4184),
        (1, "kWh", "MJ", Fraction("3.6")),
        (1, "week", "h", 168),
        (1, "m³", "l", 1000),
        (1, "ml", "cm3", 1),
        (1, "%", "ppm", 10_000),
        (1, "square mile", "acre", 640),
    ],
)
def test_unit_becomes_another__exactly(value: int, one: str, other: str, expected: Fraction) -> None:
    assert unit(one).converted(Fraction(value), unit(other)) == expected
    assert unit(other).converted(Fraction(expected), unit(one)) == value


def test_spelling__stands_for_one_unit() -> None:
    symbols: dict[str, Unit] = {}
    names: dict[str, Unit] = {}
    for found, own_symbols, own_names in _units():
        for spellings, own in ((symbols, own_symbols), (names, own_names)):
            for spelling in own:
                assert spellings.setdefault(spelling, found) == found, spelling
                assert unit_named(spelling) == found


def test_currency__is_a_unit_of_its_own_kind() -> None:
    assert currency_named("USD") == currency_named("$") == unit("dollars")
    assert currency_named("km") is None
    assert unit("$").kind != unit("€").kind


@given(st.text(max_size=80))
def test_any_text_is_read__without_an_error(text: str) -> None:
    for extract in ("last", "first", "whole"):
        number, quantity = number_in(text, extract), quantity_in(text, extract)
        if extract != "whole":
            assert (number is None) == (quantity is None)
            assert quantity is None or quantity.value == number


@given(
    st.decimals(min_value=0, max_value=10**9, places=3),
    st.sampled_from(["km", "mile", "°F", "%", "kWh", "GiB"]),
    st.sampled_from([" ", "", "-", "\u00a0"]),
)
def test_quantity_is_found__wherever_it_stands(value: Decimal, symbol: str, between: str) -> None:
    found = quantity_in(f"In all, it was {value}{between}{symbol}, they said.")
    assert found is not None
    assert (found.value, found.unit) == (value, unit(symbol))
