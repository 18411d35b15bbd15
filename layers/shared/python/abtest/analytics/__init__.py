"""Statistics of a run: mergeable sums, comparisons with intervals, one honest decision."""
