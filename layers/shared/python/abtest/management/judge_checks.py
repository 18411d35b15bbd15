"""What can be wrong with a test's judges: with their options, among each other, with whom they ask and judge.

Depends on: `abtest.contracts`; what only the evaluation domain knows arrives through the port `JudgeCatalogue`.
Used by: `abtest.management.validation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from abtest.contracts.definition import JudgeConfiguration, Variant
from abtest.contracts.judging import AskedModel, JudgeFacts
from abtest.core.errors import InputIssue
from abtest.management.model import DatasetSummary
from abtest.management.ports import JudgeCatalogue
from abtest.management.provider_checks import REPLAY, model_path

FamilyOf = Callable[[str], str | None]
"""Names the family of a model, None where nobody knows it."""


def option_issues(judges: Mapping[str, JudgeConfiguration], catalogue: JudgeCatalogue) -> Iterator[InputIssue]:
    """Yield what is wrong with each judge's options, and with judges that name each other.

    Args:
        judges: those whose shape is right.
        catalogue: knows the judge types.
    """
    told = set()
    for name, judge in judges.items():
        for issue in catalogue.check(judge.type, judge.parameters):
            told.add(f"{name}.{issue.path}")
            yield _within_judges(f"{name}.{issue.path}", issue)
    yield from (_within_judges(issue.path, issue) for issue in catalogue.check_all(judges) if issue.path not in told)


def _within_judges(path: str, issue: InputIssue) -> InputIssue:
    return InputIssue(f"judges.{path}", issue.message, issue.found, issue.allowed)


def asked_model_issues(facts: Mapping[str, JudgeFacts], variants: Mapping[str, Variant]) -> Iterator[InputIssue]:
    """Yield an issue for each model that a judge must not ask: a recorded one, or that of some variants.

    Args:
        facts: of the judges that are right.
        variants: those that can be read.
    """
    for name, fact in facts.items():
        for position, asked in enumerate(fact.models):
            path = model_path(name, position)
            if asked.provider == REPLAY:
                message = "recorded answers cannot judge: nobody recorded what this judge will ask"
                allowed = "a registered provider; scores that were given elsewhere are a judge of type imported"
                yield InputIssue(f"{path}.provider", message, REPLAY, allowed)
            own = _asked_by(asked, variants)
            if own and len(own) < len(variants):
                message = f"the judge is the model of {_listed(own)} itself, and models prefer what they wrote"
                allowed = "a model that is no variant, best one of another family than all of them"
                yield InputIssue(f"{path}.model", message, f"{asked.provider}/{asked.model}", allowed)


def model_warnings(facts: Mapping[str, JudgeFacts], variants: Mapping[str, Variant], family_of: FamilyOf) -> list[str]:
    """Return what a person should know of judges that are akin to variants.

    Args:
        facts: of the judges that are right.
        variants: those that can be read.
        family_of: see `FamilyOf`.
    """
    warnings = []
    for name, fact in facts.items():
        for asked in fact.models:
            own = _asked_by(asked, variants)
            if own and len(own) == len(variants):
                warnings.append(
                    f"The judge {name} asks {asked.provider}/{asked.model}, as all variants do: preferring itself "
                    "cannot favour one of them, but it may be lenient with all."
                )
            kin = _akin(asked, variants, family_of)
            if not own and kin and len(kin) < len(variants):
                warnings.append(
                    f"The judge {name} ({asked.model}) is of the same family as {_listed(kin)} and not as the others: "
                    "models tend to prefer their own family. Use another family, or check it against people's labels."
                )
    return warnings


def _asked_by(asked: AskedModel, variants: Mapping[str, Variant]) -> list[str]:
    return [name for name, v in variants.items() if (v.provider, v.model) == (asked.provider, asked.model)]


def _akin(asked: AskedModel, variants: Mapping[str, Variant], family_of: FamilyOf) -> list[str]:
    family = family_of(asked.model)
    return [
        name
        for name, variant in variants.items()
        if variant.model == asked.model or (family is not None and family_of(variant.model) == family)
    ]


def sample_issues(facts: Mapping[str, JudgeFacts], dataset: DatasetSummary) -> Iterator[InputIssue]:
    """Yield an issue for each judge that no sample gives what it cannot judge without.

    Args:
        facts: of the judges that are right.
        dataset: summary of the frozen samples.
    """
    if dataset.rows == 0 or dataset.references > 0:
        return
    for name, fact in facts.items():
        if fact.reference == "needed" and fact.kind != "panel":
            message = f"{fact.type} compares with a reference, which all {dataset.rows} samples lack"
            yield InputIssue(f"judges.{name}", message, allowed="a `reference` on the samples, or a judge without")


def sample_warnings(
    facts: Mapping[str, JudgeFacts], dataset: DatasetSummary, read_documents: Callable[[str], Sequence[str]]
) -> list[str]:
    """Return what a person should know of samples that lack what a judge reads.

    Args:
        facts: of the judges that are right.
        dataset: summary of the frozen samples.
        read_documents: returns, for a judge's name, its dimensions that rest on documents.
    """
    warnings = []
    rows = dataset.rows
    lacking, without = rows - dataset.references, rows - dataset.documents
    of = f"{lacking} of {rows} samples have no reference{_examples(dataset.without_reference, lacking)}"
    for name, fact in facts.items():
        if fact.kind == "panel":
            # Its members say it.
            continue
        if fact.reference == "needed" and 0 < lacking < rows:
            warnings.append(f"{name}: {of}; they get no score and count as missing.")
        elif fact.reference == "used" and fact.kind == "model" and 0 < lacking < rows:
            warnings.append(f"{name}: {of}; it judges them without one, and its scores may mean something else there.")
        dimensions = read_documents(name) if without else ()
        if dimensions:
            warnings.append(
                f"{name}: {without} of {rows} samples have no documents, which {_listed(dimensions)} rests on; "
                "there it has nothing to hold an answer against."
            )
    return warnings


def imported_issues(
    fact: JudgeFacts, imported: DatasetSummary, variants: Sequence[str], control: str
) -> Iterator[InputIssue]:
    """Yield what forbids to use a dataset of scores as a judge of this test.

    Args:
        fact: of the judge.
        imported: summary of the dataset of scores.
        variants: names of the test's variants.
        control: one of them.
    """
    scores, path = imported.scores, f"judges.{fact.name}"
    if scores is None:
        return
    if scores.preferences != fact.pairwise:
        found, wanted = ("preferences", "true") if scores.preferences else ("scores of single answers", "false")
        yield InputIssue(f"{path}.scores", f"the dataset holds {found}", allowed=f"preferences: {wanted}")
        return
    named = [name for name in variants if name in scores.rows_by_variant]
    if control not in named or len(named) < 2:
        verb = (
            "compares the control with another variant" if fact.pairwise else "scores the control and another variant"
        )
        what = f"nothing {verb}"
        found = ", ".join(sorted(scores.rows_by_variant)) or "no variants"
        yield InputIssue(f"{path}.scores", f"{what} of this test", found[:80], ", ".join(variants))
    overall = fact.metrics[0]
    low, high = overall.scale
    lowest, highest = scores.lowest, scores.highest
    if lowest is not None and highest is not None and (lowest < low or highest > high):
        message = "the dataset has scores outside the judge's scale"
        held = (
            f"[{lowest:g}, {highest:g}], or wider" if lowest < highest else f"two points that {lowest:g} lies between"
        )
        yield InputIssue(f"{path}.scale", message, f"{low:g} to {high:g}", held)
    elif overall.binary and not scores.binary:
        yield InputIssue(f"{path}.binary", "the dataset has scores between 0 and 1", "true", "false")
    elif overall.binary and scores.repeats > 1:
        message = "the dataset scores answers several times, and the mean of such scores is not 0 or 1"
        yield InputIssue(f"{path}.binary", message, "true", "false")
    for metric in fact.metrics:
        if metric.dimension is not None and len(fact.metrics) > 1 and metric.dimension not in scores.dimensions:
            allowed = ", ".join(scores.dimensions) or "none: no row has dimensions"
            yield InputIssue(f"{path}.dimensions", "no row scores this dimension", metric.dimension, allowed)


def imported_warnings(fact: JudgeFacts, imported: DatasetSummary, variants: Sequence[str], samples: int) -> list[str]:
    """Return what of a dataset of scores will not be used, and what it lacks.

    Args:
        fact: of the judge.
        imported: summary of the dataset of scores.
        variants: names of the test's variants.
        samples: rows of the test's dataset.
    """
    scores, warnings = imported.scores, []
    if scores is None:
        return []
    strangers = {name: rows for name, rows in scores.rows_by_variant.items() if name not in variants}
    if strangers:
        warnings.append(
            f"{fact.name}: {sum(strangers.values())} rows name what is no variant of this test "
            f"({_examples_of(sorted(strangers))}); they are not used."
        )
    unscored = [name for name in variants if name not in scores.rows_by_variant]
    if unscored:
        warnings.append(f"{fact.name}: no row scores {_listed(unscored)}; those answers are not judged.")
    if scores.samples > samples:
        warnings.append(
            f"{fact.name}: at least {scores.samples - samples} of the {scores.samples} samples that it names are not "
            "in the dataset; those rows are not used."
        )
    elif scores.samples < samples:
        warnings.append(
            f"{fact.name}: it names {scores.samples} samples, and the dataset has {samples}; the others are not judged."
        )
    return warnings


def _examples(identifiers: Sequence[str], total: int) -> str:
    if not identifiers:
        return ""
    return f" ({', '.join(identifiers)}{', ...' if total > len(identifiers) else ''})"


def _examples_of(names: Sequence[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
