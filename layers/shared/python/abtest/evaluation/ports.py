"""What the service asks of a judge, whatever stands behind it.

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.service`, `abtest.evaluation.registry`.
"""

from __future__ import annotations

from typing import Any, Protocol

from abtest.evaluation.model import JudgeParameters, ResponseScorer, Scorer


class Judge(Protocol):
    """One kind of judge; `abtest.evaluation.model.JudgeType` is the usual way to make one."""

    @property
    def name(self) -> str:
        """The wire name: `type` in a test definition."""
        ...

    @property
    def summary(self) -> str:
        """One sentence for a person who chooses a judge."""
        ...

    @property
    def Parameters(self) -> type[JudgeParameters]:  # noqa: N802 - it is a class
        """The pydantic model of the options."""
        ...

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        ...

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest score."""
        ...

    def needs_reference(self, parameters: Any, /) -> bool:
        """Return whether these options make the judge read the sample's reference."""
        ...

    def compile(self, parameters: Any, /) -> Scorer | ResponseScorer:
        """Return a scorer for checked options; the costly work (a schema, a pattern) happens here, once a batch."""
        ...
