"""Compares two JSON values field by field: which of the reference's fields does the other value say?

A field is a leaf: a text, number, truth value, null, or an object or list that is empty. Its path is where it stands:
`address.city`, `items[0].price`, or `items[].price` where the order of lists is free.

Lists as sets: items that say the same are paired first, then the pairs of objects or lists that share the most fields;
numbers within a tolerance are paired so that as many as possible are. Each item counts as often as it stands there.

Depends on: `abtest.core.errors`, `abtest.evaluation.text`. Used by: `abtest.evaluation.judges.field_f1`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from abtest.core.errors import UnjudgeableError
from abtest.evaluation.text import composed

Difference = tuple[Literal["wrong", "missing", "extra"], str]
"""What is the matter with a field, and its path; a whole object that is missing is one difference."""

_MAX_PAIRED_FIELDS = 200_000
"""About a tenth of a second, and the differences noted on the way fit into memory."""


@dataclass(frozen=True)
class Rules:
    """When two fields say the same.

    Args:
        lists: whether the order of list items matters (`sequence`) or not (`set`).
        case_sensitive: whether texts are compared with case.
        tolerance_abs: allowed distance of a number, in its own unit.
        tolerance_rel: allowed distance as a share of the reference's number.
    """

    lists: Literal["sequence", "set"] = "sequence"
    case_sensitive: bool = True
    tolerance_abs: Decimal = Decimal(0)
    tolerance_rel: Decimal = Decimal(0)

    @property
    def exact(self) -> bool:
        """Whether numbers must be equal."""
        return not self.tolerance_abs and not self.tolerance_rel

    def text(self, text: str) -> str:
        """Return the form in which a text is compared."""
        text = composed(text).strip()
        return text if self.case_sensitive else text.casefold()

    def interval(self, wanted: float) -> tuple[Decimal, Decimal]:
        """Return the smallest and the largest number that pass for one of the reference."""
        number = _decimal(wanted)
        if not number.is_finite():
            return number, number
        allowed = max(self.tolerance_abs, self.tolerance_rel * abs(number))
        return number - allowed, number + allowed


@dataclass(frozen=True)
class FieldCounts:
    """How two values agree.

    Args:
        equal: fields of the reference that the answer says.
        wanted: fields of the reference.
        given: fields of the answer.
        differences: every field that is wrong, missing or extra.
    """

    equal: int
    wanted: int
    given: int
    differences: tuple[Difference, ...]

    @property
    def precision(self) -> float:
        """Share of the answer's fields that are right."""
        return self.equal / self.given

    @property
    def recall(self) -> float:
        """Share of the reference's fields that the answer says."""
        return self.equal / self.wanted

    @property
    def f1(self) -> float:
        """Harmonic mean of the two, as twice the equal fields over all fields of both sides."""
        return 2 * self.equal / (self.wanted + self.given)


def compare_fields(wanted: Any, given: Any, rules: Rules) -> FieldCounts:
    """Compare an answer's JSON value with the reference's.

    Args:
        wanted: the reference's value.
        given: the answer's value.
        rules: when two fields say the same.

    Raises:
        UnjudgeableError: lists as sets are too long to pair, or the values are nested too deeply.
    """
    comparison = _Comparison(rules)
    differences: list[Difference] = []
    try:
        equal = comparison.compare(wanted, given, "", differences)
    except RecursionError as error:
        raise UnjudgeableError(
            "the reference and the answer are nested too deeply to compare field by field"
        ) from error
    return FieldCounts(equal, field_count(wanted), field_count(given), tuple(differences))


def field_count(value: Any) -> int:
    """Return the number of leaves of a JSON value; an empty object or list is one."""
    count, waiting = 0, [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict) and node:
            waiting.extend(node.values())
        elif isinstance(node, list) and node:
            waiting.extend(node)
        else:
            count += 1
    return count


def _decimal(number: float) -> Decimal:
    # By its digits: 0.1 of a JSON text is a tenth, not the nearest binary number.
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_branch(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


@dataclass
class _Comparison:
    """One comparison; it counts the fields of the pairs it tried, so that huge lists cannot take for ever."""

    rules: Rules
    paired_fields: int = field(default=0)

    def compare(self, wanted: Any, given: Any, path: str, differences: list[Difference]) -> int:
        """Return the number of equal leaves and add what differs."""
        if isinstance(wanted, dict) and isinstance(given, dict) and wanted and given:
            return self._objects(wanted, given, path, differences)
        if isinstance(wanted, list) and isinstance(given, list) and wanted and given:
            lists = self._sequences if self.rules.lists == "sequence" else self._sets
            return lists(wanted, given, path, differences)
        if self._same(wanted, given):
            return 1
        differences.append(("wrong", path or "the whole"))
        return 0

    def _same(self, wanted: Any, given: Any) -> bool:
        if isinstance(wanted, str) and isinstance(given, str):
            return wanted == given or self.rules.text(wanted) == self.rules.text(given)
        if isinstance(wanted, bool) or isinstance(given, bool):
            return wanted is given
        # What is left unequal here and is no number, such as two objects of which one is empty, differs.
        if _is_number(wanted) and _is_number(given) and not self.rules.exact and wanted != given:
            low, high = self.rules.interval(wanted)
            return low <= _decimal(given) <= high
        return bool(wanted == given)

    def _objects(self, wanted: Any, given: Any, path: str, differences: list[Difference]) -> int:
        equal, prefix = 0, f"{path}." if path else ""
        for key, value in wanted.items():
            if key in given:
                equal += self.compare(value, given[key], prefix + key, differences)
            else:
                differences.append(("missing", prefix + key))
        differences.extend(("extra", prefix + key) for key in given if key not in wanted)
        return equal

    def _sequences(self, wanted: Any, given: Any, path: str, differences: list[Difference]) -> int:
        both = min(len(wanted), len(given))
        equal = sum(self.compare(wanted[i], given[i], f"{path}[{i}]", differences) for i in range(both))
        differences.extend(("missing", f"{path}[{i}]") for i in range(both, len(wanted)))
        differences.extend(("extra", f"{path}[{i}]") for i in range(both, len(given)))
        return equal

    def _sets(self, wanted: Any, given: Any, path: str, differences: list[Difference]) -> int:
        path += "[]"
        equal, left, over = 0, list(wanted), list(given)
        if not self.rules.exact:
            equal, left, over = self._near_numbers(left, over)
        same, left, over = self._equal_items(left, over)
        similar, left, over = self._similar_items(left, over, path, differences)
        differences.extend(("missing", path) for _ in left)
        differences.extend(("extra", path) for _ in over)
        return equal + same + similar

    def _near_numbers(self, wanted: list[Any], given: list[Any]) -> tuple[int, list[Any], list[Any]]:
        """Pair numbers within the tolerance; the pairs are as many as there can be.

        By the upper end of their intervals, each takes the smallest number left that passes: a later interval that
        could use that number reaches as far up, so it can use whatever this one would have taken instead.
        """
        others = [value for value in given if not _is_number(value)]
        free = sorted(((_decimal(value), value) for value in given if _is_number(value)), key=lambda pair: pair[0])
        intervals = sorted(
            ((*self.rules.interval(value)[::-1], index) for index, value in enumerate(wanted) if _is_number(value))
        )
        paired: set[int] = set()
        for high, low, index in intervals:
            place = bisect_left(free, low, key=lambda pair: pair[0])
            if place < len(free) and free[place][0] <= high:
                free.pop(place)
                paired.add(index)
        left = [value for index, value in enumerate(wanted) if index not in paired]
        return len(paired), left, others + [value for _, value in free]

    def _equal_items(self, wanted: list[Any], given: list[Any]) -> tuple[int, list[Any], list[Any]]:
        places: defaultdict[Hashable, list[int]] = defaultdict(list)
        for index in reversed(range(len(given))):
            places[self._form(given[index])].append(index)
        equal, left, used = 0, [], set()
        for value in wanted:
            same = places.get(self._form(value))
            if same:
                used.add(same.pop())
                equal += field_count(value)
            else:
                left.append(value)
        return equal, left, [value for index, value in enumerate(given) if index not in used]

    def _form(self, value: Any) -> Hashable:
        """Return what two values have in common exactly when they say the same, tolerance aside."""
        if isinstance(value, str):
            return self.rules.text(value)
        if isinstance(value, dict):
            return "object", frozenset((key, self._form(item)) for key, item in value.items())
        if isinstance(value, list):
            return "list", frozenset(Counter(map(self._form, value)).items())
        return (type(value), value) if isinstance(value, bool) or value is None else ("number", value)

    def _similar_items(
        self, wanted: list[Any], given: list[Any], path: str, differences: list[Difference]
    ) -> tuple[int, list[Any], list[Any]]:
        """Pair objects and lists that share fields, the most alike first."""
        rows = [index for index, value in enumerate(wanted) if _is_branch(value)]
        columns = [index for index, value in enumerate(given) if _is_branch(value)]
        fields_of_rows = sum(field_count(wanted[row]) for row in rows)
        fields_of_columns = sum(field_count(given[column]) for column in columns)
        self.paired_fields += len(columns) * fields_of_rows + len(rows) * fields_of_columns
        if self.paired_fields > _MAX_PAIRED_FIELDS:
            raise UnjudgeableError(
                f"to pair the items of lists as sets, more than {_MAX_PAIRED_FIELDS:,} fields would be compared; "
                "compare lists as sequences"
            )
        found: list[tuple[int, int, int, list[Difference]]] = []
        for row in rows:
            for column in columns:
                notes: list[Difference] = []
                equal = self.compare(wanted[row], given[column], path, notes)
                if equal:
                    found.append((-equal, row, column, notes))
        return self._assigned(found, wanted, given, differences)

    @staticmethod
    def _assigned(
        found: Sequence[tuple[int, int, int, list[Difference]]],
        wanted: list[Any],
        given: list[Any],
        differences: list[Difference],
    ) -> tuple[int, list[Any], list[Any]]:
        total, rows, columns = 0, set[int](), set[int]()
        for negative, row, column, notes in sorted(found, key=lambda pair: pair[:3]):
            if row not in rows and column not in columns:
                rows.add(row)
                columns.add(column)
                total -= negative
                differences.extend(notes)
        left = [value for index, value in enumerate(wanted) if index not in rows]
        return total, left, [value for index, value in enumerate(given) if index not in columns]
