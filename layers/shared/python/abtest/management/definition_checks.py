"""All checks of a test together: in itself, against its providers, its datasets and its judges.

Depends on: validation, the checks of providers and judges, the ports. Used by: the test service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from abtest.contracts.definition import DatasetReference, TestDefinition
from abtest.contracts.judging import JudgeFacts
from abtest.core.errors import InputIssue
from abtest.management import judge_checks
from abtest.management.model import DatasetKind, DatasetSummary
from abtest.management.ports import DatasetStore, JudgeCatalogue, ProviderFacts
from abtest.management.provider_checks import check_judge_providers, check_providers
from abtest.management.validation import ReadableParts, check_against_dataset, check_definition


@dataclass
class CheckedDefinition:
    """What the checks of one definition found.

    Args:
        definition: None when its shape is wrong.
        dataset: summary of its samples; None when there are none.
        recordings: by variant, summaries of recorded answers.
        facts: of the judges that are right.
        issues: everything that is wrong.
        warnings: what a person should know.
    """

    definition: TestDefinition | None = None
    dataset: DatasetSummary | None = None
    recordings: dict[str, DatasetSummary] = field(default_factory=dict)
    facts: Mapping[str, JudgeFacts] = field(default_factory=dict)
    issues: list[InputIssue] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DefinitionChecks:
    """Checks definitions of one workspace.

    Args:
        datasets: where frozen datasets are found.
        judges: knows the judge types.
        providers: facts by provider identifier.
        workspace: whose datasets and providers they are.
    """

    datasets: DatasetStore
    judges: JudgeCatalogue
    providers: Mapping[str, ProviderFacts]
    workspace: str

    def definition(self, raw: Mapping[str, Any]) -> CheckedDefinition:
        """Return everything that is wrong with a definition, or it is right.

        Args:
            raw: decoded JSON or YAML.
        """
        found, parts = self._in_itself(raw)
        found.issues += check_providers(parts.variants, self.providers)
        self._recordings(parts, found, required=True)
        if parts.dataset is not None:
            found.dataset = self._dataset(parts.dataset, "samples", "dataset", found.issues)
        self._against_samples(parts, found)
        return found

    def rejudging(self, raw: Mapping[str, Any], dataset: DatasetSummary) -> CheckedDefinition:
        """Return what is wrong with the definition of a run that judges earlier answers anew.

        The variants' providers are not asked, and may be gone.

        Args:
            raw: the whole definition.
            dataset: of the test.
        """
        found, parts = self._in_itself(raw)
        found.dataset = dataset
        self._recordings(parts, found, required=False)
        self._against_samples(parts, found)
        return found

    def _in_itself(self, raw: Mapping[str, Any]) -> tuple[CheckedDefinition, ReadableParts]:
        definition, parts, issues = check_definition(raw, self.judges)
        found = CheckedDefinition(definition=definition, facts=parts.facts, issues=issues)
        found.issues += check_judge_providers(parts.facts, self.providers)
        return found, parts

    def _recordings(self, parts: ReadableParts, found: CheckedDefinition, *, required: bool) -> None:
        for name, variant in parts.variants.items():
            if variant.recording is not None:
                issues = found.issues if required else []
                summary = self._dataset(variant.recording, "recording", f"variants.{name}.recording", issues)
                if summary is not None:
                    found.recordings[name] = summary

    def _against_samples(self, parts: ReadableParts, found: CheckedDefinition) -> None:
        if found.dataset is not None:
            lacking, warnings = check_against_dataset(parts, found.dataset, self.judges)
            found.issues += lacking
            found.warnings += warnings
        for fact in parts.facts.values():
            if fact.imported is not None:
                found.issues += self._imported(fact, parts, found)

    def _imported(self, fact: JudgeFacts, parts: ReadableParts, found: CheckedDefinition) -> Iterator[InputIssue]:
        issues: list[InputIssue] = []
        reference = DatasetReference.model_construct(version=fact.imported or "")
        scores = self._dataset(reference, "scores", f"judges.{fact.name}.scores", issues)
        yield from issues
        if scores is None:
            return
        control = found.definition.control if found.definition else None
        if control is not None:
            yield from judge_checks.imported_issues(fact, scores, list(parts.variants), control)
        if found.dataset is not None:
            found.warnings += judge_checks.imported_warnings(fact, scores, list(parts.variants), found.dataset.rows)

    def _dataset(
        self, reference: DatasetReference, kind: DatasetKind, path: str, issues: list[InputIssue]
    ) -> DatasetSummary | None:
        dataset = self.datasets.by_version(self.workspace, reference.version)
        if dataset is None or dataset.summary is None:
            allowed = "upload it: POST /v1/datasets, PUT the rows, POST .../complete"
            issues.append(InputIssue(path, "no dataset with that version is ready", reference.version, allowed))
            return None
        if dataset.kind != kind:
            issues.append(InputIssue(path, "the dataset is of another kind", dataset.kind, kind))
            return None
        return dataset.summary
