"""Hashes, identifiers, money, time and the discovery of variants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.core import registry
from abtest.core.clock import SystemClock, iso
from abtest.core.hashing import canonical_json, content_hash
from abtest.core.ids import new_id
from abtest.core.money import cost_of_tokens, dollars, rounded, total
from abtest.evaluation import judges

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_hash_is_the_sha256_of_the_canonical_text() -> None:
    # sha256sum of the text {"a":[1,"é"],"b":null} in UTF-8.
    assert canonical_json({"b": None, "a": [1, "é"]}) == '{"a":[1,"é"],"b":null}'.encode()
    assert content_hash({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_hash_is_the_same__whatever_the_order_of_keys(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))

    assert content_hash(value) == content_hash(backwards)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_hash_refuses__what_json_does_not_have(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        content_hash(value)


def test_ids_have_their_prefix__and_sort_by_creation() -> None:
    made = [new_id("run") for _ in range(3)]

    assert all(name.startswith("run_") and len(name) == len("run_") + 26 for name in made)
    assert len(set(made)) == 3


def test_tokens_cost_exactly__what_the_price_says() -> None:
    assert cost_of_tokens(1, Decimal("0.15")) == Decimal("0.00000015")
    assert cost_of_tokens(1_000_000, Decimal("0.15")) == Decimal("0.15")


def test_money_is_rounded_to_even__at_eight_decimals() -> None:
    assert rounded(Decimal("0.000000005")) == Decimal("0E-8")
    assert rounded(Decimal("0.000000015")) == Decimal("0.00000002")


def test_unknown_stays_unknown__in_a_sum() -> None:
    assert total([Decimal("0.1"), Decimal("0.2")]) == Decimal("0.3")
    assert total([Decimal("0.1"), None]) is None
    assert total([]) == 0


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "unknown"),
        (Decimal(0), "$0"),
        (Decimal("0.0042"), "$0.0042"),
        (Decimal("0.00000123"), "$0.0000012"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("0.5"), "$0.5"),
    ],
)
def test_amount_for_a_person(amount: Decimal | None, shown: str) -> None:
    assert dollars(amount) == shown


def test_time_is_utc__whatever_zone_it_came_in() -> None:
    summer = datetime(2026, 7, 1, 14, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))

    assert iso(summer) == "2026-07-01T12:00:00.123Z"
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().monotonic_s() <= SystemClock().monotonic_s()


def test_variants_are_found_by_file_name__without_private_ones() -> None:
    assert "exact_match" in registry.names(judges)
    assert not any(name.startswith("_") for name in registry.names(judges))
    assert registry.load(judges, "exact_match", "JUDGE").name == "exact_match"  # type: ignore[attr-defined]


def test_unknown_variant_is_refused__with_the_nearest_name() -> None:
    with pytest.raises(KeyError, match="did you mean 'exact_match'"):
        registry.load(judges, "exact_mach", "JUDGE")


def test_nothing_is_guessed__when_no_name_comes_near() -> None:
    assert registry.nearest("zzz", ["exact_match"]) is None
    assert registry.unknown_name("zzz", []) == "unknown name 'zzz'. Known: none."
