"""Gathers rows of any format and makes them a table, after every check that needs all rows.

Depends on: numpy, `coding`, `checks`, `stack`, `abtest.analytics.data.tables`. Used by: the formats.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from abtest.analytics.data.tables import (
    VERDICTS,
    Codes,
    PairwiseTable,
    PreferenceTable,
    SampleGroups,
    ScoreTable,
    Values,
)
from abtest_cli.results.checks import Checks
from abtest_cli.results.coding import Column, Names, numbers, optional_names, required_names, words
from abtest_cli.results.model import Reading
from abtest_cli.results.rows import Chunk
from abtest_cli.results.sources import Source
from abtest_cli.results.stack import Array, Stack

DEFAULT_METRIC = "score"
_NAMED_FILES = 4
_VERDICT_CODES = {word: code for code, word in enumerate(VERDICTS)}


class _Rows:
    """What the rows of all three tables have: a sample, its groups, variants, a judge.

    Args:
        reading: takes mistakes.
        sources: the files, for what is wrong with all of them together.
    """

    def __init__(self, reading: Reading, sources: Sequence[Source]) -> None:
        self.reading = reading
        more = f" and {len(sources) - _NAMED_FILES} more" if len(sources) > _NAMED_FILES else ""
        self.where = ", ".join(source.name for source in sources[:_NAMED_FILES]) + more
        self.stack = Stack()
        self.checks = Checks(self.stack, self.where, reading.mistakes)
        self.samples, self.variants, self.judges = Names(), Names(), Names()
        self.clusters, self.slices = Names(), Names()

    def common(self, chunk: Chunk) -> dict[str, Array | None]:
        """Return the columns that every table has."""
        reading = self.reading
        return {
            "sample": required_names(Column(chunk, "sample", reading), self.samples),
            "judge": optional_names(Column(chunk, "judge", reading), self.judges, default=""),
            "cluster": optional_names(Column(chunk, "cluster", reading), self.clusters, default=None),
            "slice": optional_names(Column(chunk, "slice", reading), self.slices, default=None),
        }

    def taken(self, column: str) -> Codes:
        """Return a column of codes that every row has."""
        codes = self.stack.take(column, -1, np.int32)
        return np.zeros(0, np.int32) if codes is None else codes

    def filled(self, column: str, names: Names, default: str) -> Codes:
        """Return a column of codes in which a default stands where a part has none."""
        taken = self.stack.take(column, -1, np.int32)
        codes = np.full(self.stack.rows, -1, np.int32) if taken is None else taken
        empty = codes < 0
        if empty.any():
            codes[empty] = names.codes([default])[0]
        return codes

    def groups(self, sample: Codes, *, shared_only: bool = False) -> SampleGroups:
        """Return what the samples belong to.

        Args:
            sample: of each row.
            shared_only: a cluster counts only when a second sample is in it, because the file's tool and not a person
                put each sample into one.
        """
        samples = self.samples.names()
        of_sample = []
        for kind, names in (("cluster", self.clusters), ("slice", self.slices)):
            rows = self.stack.take(kind, -1, np.int32)
            group = self.checks.groups(kind, sample, rows, names=names.names(), samples=samples)
            of_sample.append((names.names(), group))
        (clusters, cluster), (slices, slice_) = of_sample
        if shared_only and (cluster < 0).all() | (np.bincount(cluster[cluster >= 0], minlength=1) <= 1).all():
            clusters, cluster = (), np.full(len(samples), -1, np.int32)
        return SampleGroups(samples, clusters, cluster, slices, slice_)


class ScoreRows(_Rows):
    """Rows of scores, one metric and judge each."""

    def __init__(self, reading: Reading, sources: Sequence[Source]) -> None:
        super().__init__(reading, sources)
        self.metrics = Names()

    def add_chunk(self, chunk: Chunk) -> None:
        """Put rows of a file of our own form at the end."""
        reading = self.reading
        columns = self.common(chunk) | {
            "variant": required_names(Column(chunk, "variant", reading), self.variants),
            "metric": optional_names(Column(chunk, "metric", reading), self.metrics, default=DEFAULT_METRIC),
            "score": numbers(Column(chunk, "score", reading)),
        }
        self.stack.add(chunk.source, chunk.lines, columns)

    def add(
        self, source: Source, lines: Sequence[int], columns: Mapping[str, Sequence[Hashable]], *, entry: str | None
    ) -> None:
        """Put rows of a tool's file at the end.

        Args:
            source: the file.
            lines: where each row stands.
            columns: `sample`, `variant`, `metric` and `score` (NaN being missing), perhaps `cluster` and `slice`.
            entry: what the file consists of when it has no lines.
        """
        names = {
            "sample": self.samples,
            "variant": self.variants,
            "metric": self.metrics,
            "cluster": self.clusters,
            "slice": self.slices,
        }
        arrays: dict[str, Array | None] = {
            column: names[column].codes_or_none(values) for column, values in columns.items() if column != "score"
        }
        arrays["score"] = np.array(columns["score"], np.float64)
        self.stack.add(source, lines, arrays, entry=entry)

    def table(
        self,
        *,
        without: Collection[str] = (),
        sample_name: Callable[[Hashable], str] | None = None,
        variant_name: Callable[[Hashable], str] | None = None,
        shared_only: bool = False,
    ) -> ScoreTable:
        """Return all rows as a table.

        Args:
            without: metrics to leave out.
            sample_name: gives a sample's name from what stood for it; None takes it as it is.
            variant_name: the same for a variant; several may get one name.
            shared_only: a cluster counts only when a second sample is in it.

        Raises:
            InvalidInputError: something is wrong with the rows.
        """
        mistakes, stack = self.reading.mistakes, self.stack
        mistakes.refuse_if_any()
        if sample_name is not None:
            self.samples = _renamed(self.samples, sample_name)
        sample, variant = self.taken("sample"), self.taken("variant")
        metric = self.filled("metric", self.metrics, DEFAULT_METRIC)
        judge = self.filled("judge", self.judges, "")
        score = stack.take("score", np.nan, np.float64)
        assert score is not None
        if variant_name is not None:
            variant, self.variants = _merged(variant, self.variants, variant_name)
        self._check_rows({"sample": sample, "variant": variant, "metric": metric, "judge": judge}, score, without)
        groups = self.groups(sample, shared_only=shared_only)
        if without:
            kept = ~np.isin(metric, [code for code, name in enumerate(self.metrics.names()) if name in without])
            sample, judge, score = sample[kept], judge[kept], score[kept]
            metric, self.metrics = _merged(metric[kept], self.metrics, str)
            variant, self.variants = _merged(variant[kept], self.variants, str)
        metrics, variants, judges = self.metrics.names(), self.variants.names(), self.judges.names()
        table = ScoreTable(groups, variants, metrics, judges, sample, variant, metric, judge, score)
        self._check_comparable(table)
        return table

    def _check_comparable(self, table: ScoreTable) -> None:
        reading = self.reading
        self.checks.arms(table.sample, table.variant, samples=table.groups.samples, variants=table.variants)
        ranged = (reading.ranged_metric,) if reading.ranged_metric is not None else table.metrics
        known = ranged if reading.score_range is not None else ()
        codes = (table.metric, table.judge)
        self.checks.scales(codes, table.score, metrics=table.metrics, judges=table.judges, known=known)
        reading.mistakes.refuse_if_any()

    def _check_rows(self, codes: Mapping[str, Codes], score: Values, without: Collection[str]) -> None:
        self.checks.sized("score", score)
        span, ranged = self.reading.score_range, self.reading.ranged_metric
        metrics = self.metrics.names()
        if span is not None:
            looked_at = [code for code, name in enumerate(metrics) if name not in without and ranged in (None, name)]
            self.checks.outside("score", score, span, np.isin(codes["metric"], looked_at))
        self.reading.mistakes.refuse_if_any()
        names = (self.samples.names(), self.variants.names(), metrics, self.judges.names())
        self.checks.duplicates([(*pair, known) for pair, known in zip(codes.items(), names, strict=True)])


class PairwiseRows(_Rows):
    """Rows of verdicts about two variants."""

    def add_chunk(self, chunk: Chunk) -> None:
        """Put rows at the end."""
        reading = self.reading
        columns = self.common(chunk) | {
            "first": required_names(Column(chunk, "first", reading), self.variants),
            "second": required_names(Column(chunk, "second", reading), self.variants),
            "verdict": words(Column(chunk, "verdict", reading), _VERDICT_CODES),
        }
        self.stack.add(chunk.source, chunk.lines, columns)

    def table(self) -> PairwiseTable:
        """Return all rows as a table.

        Raises:
            InvalidInputError: something is wrong with the rows.
        """
        mistakes = self.reading.mistakes
        mistakes.refuse_if_any()
        sample, first, second = self.taken("sample"), self.taken("first"), self.taken("second")
        verdict, judge = self.taken("verdict"), self.filled("judge", self.judges, "")
        variants, judges = self.variants.names(), self.judges.names()
        self.checks.equal(("first", "second"), first, second, variants)
        mistakes.refuse_if_any()
        keys = [("sample", sample, self.samples.names()), ("first", first, variants), ("second", second, variants)]
        self.checks.duplicates([*keys, ("judge", judge, judges)])
        groups = self.groups(sample)
        mistakes.refuse_if_any()
        return PairwiseTable(groups, variants, judges, sample, first, second, verdict, judge)


class PreferenceRows(_Rows):
    """Rows of graded preferences for a variant over a baseline."""

    def add_chunk(self, chunk: Chunk) -> None:
        """Put rows of a file of our own form at the end."""
        reading = self.reading
        columns = self.common(chunk) | {
            "variant": required_names(Column(chunk, "variant", reading), self.variants),
            "baseline": required_names(Column(chunk, "baseline", reading), self.variants),
            "preference": numbers(Column(chunk, "preference", reading)),
            "length_variant": numbers(Column(chunk, "length_variant", reading)),
            "length_baseline": numbers(Column(chunk, "length_baseline", reading)),
        }
        self.stack.add(chunk.source, chunk.lines, columns)

    def table(self, *, convert: Callable[[Values], Values] | None = None) -> PreferenceTable:
        """Return all rows as a table.

        Args:
            convert: brings the preferences of a tool to 0 to 1.

        Raises:
            InvalidInputError: something is wrong with the rows.
        """
        stack, mistakes = self.stack, self.reading.mistakes
        mistakes.refuse_if_any()
        sample, variant, baseline = self.taken("sample"), self.taken("variant"), self.taken("baseline")
        judge = self.filled("judge", self.judges, "")
        preference = stack.take("preference", np.nan, np.float64)
        assert preference is not None
        if convert is not None:
            preference = convert(preference)
        lengths: list[npt.NDArray[np.float64] | None] = []
        for column in ("length_variant", "length_baseline"):
            values = stack.take(column, np.nan, np.float64)
            if values is not None:
                self.checks.outside(column, values, (0, np.inf))
                self.checks.sized(column, values)
            lengths.append(values)
        self.checks.outside("preference", preference, (0, 1))
        self.checks.sized("preference", preference)
        variants, judges = self.variants.names(), self.judges.names()
        self.checks.equal(("variant", "baseline"), variant, baseline, variants)
        mistakes.refuse_if_any()
        keys = [("sample", sample, self.samples.names()), ("variant", variant, variants)]
        self.checks.duplicates([*keys, ("baseline", baseline, variants), ("judge", judge, judges)])
        groups = self.groups(sample)
        mistakes.refuse_if_any()
        return PreferenceTable(groups, variants, judges, sample, variant, baseline, preference, judge, *lengths)


def _renamed(names: Names, name: Callable[[Hashable], str]) -> Names:
    result = Names()
    result.codes([name(old) for old in names.names()])
    return result


def _merged(codes: Codes, names: Names, name: Callable[[Hashable], str]) -> tuple[Codes, Names]:
    """Return codes and names after renaming, in which names that became equal are one and unused ones are gone."""
    used = np.bincount(codes, minlength=len(names)) > 0
    result, new = Names(), np.zeros(len(names), np.int32)
    for code, old in enumerate(names.names()):
        if used[code]:
            new[code] = result.codes([name(old)])[0]
    return new[codes], result
