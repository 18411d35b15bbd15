"""People's labels at the terminal: what came in, how far the judge agrees, the corrected effect first.

Depends on: rich, `abtest.analytics.labels`. Used by: `abtest_cli.commands.labels`.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from abtest.analytics.labels.inputs import LabelKind
from abtest.analytics.labels.model import CorrectedEffect, LabelAnalysis
from abtest.analytics.labels.wording import interval_text
from abtest_cli.output import escape, print_warnings

_NONE = "–"
_CHOSEN = {"random": "at random", "disagreement": "by disagreement"}


def show_import(out: Console, kept: dict[str, Any], unlabelled: int) -> None:
    """Say what an import did.

    Args:
        out: where.
        kept: the API's answer.
        unlabelled: rows of the file without a label.
    """
    sheet = kept["sheet"]
    text = f"{kept['labels']} labels by {kept['labeller']} were kept"
    if kept["replaced"]:
        text += f"; {kept['replaced']} replaced earlier ones of the same person, {kept['changed']} with another label"
    out.print(f"{escape(text)}.")
    if unlabelled:
        out.print(f"{unlabelled} rows have no label yet.")
    out.print(f"The sheet: {sheet['labelled']} of {sheet['items']} items are labelled.")
    if sheet["conflicts"]:
        out.print(
            f"People disagree on {sheet['conflicts']} of {sheet['labelled_by_several']} items; what counts is "
            f"{escape(str(sheet['settled_by']))}. {sheet['left_out']} are left out."
        )


def show_sheets(out: Console, so_far: dict[str, Any]) -> None:
    """Show every sheet of a run and who labelled how much."""
    if not so_far["sheets"]:
        out.print("Nobody has been asked yet: `abtest labels sheet` makes a sheet.")
        return
    table = Table(title="Sheets", title_justify="left", title_style="bold")
    for name in ("sheet", "metric", "chosen", "labelled", "by", "conflicts", "left out"):
        table.add_column(name, overflow="fold")
    for sheet in so_far["sheets"]:
        people = ", ".join(f"{one['labeller']} {one['labels']}" for one in sheet["labellers"]) or _NONE
        cells = (
            sheet["sheet_id"],
            sheet["metric"],
            _CHOSEN.get(sheet["choose"], sheet["choose"]),
            f"{sheet['labelled']} of {sheet['items']}",
            people,
            str(sheet["conflicts"]),
            str(sheet["left_out"]),
        )
        table.add_row(*(escape(str(cell)) for cell in cells))
    out.print(table)


def show_analysis(out: Console, raw: dict[str, Any]) -> None:
    """Show what labels say of one metric.

    Args:
        out: where.
        raw: the API's answer.
    """
    analysis = LabelAnalysis.model_validate(raw)
    out.print()
    out.print(f"[bold]{escape(analysis.metric)}[/]")
    for effect in analysis.effects:
        out.print(escape(effect.sentence))
    if any(effect.corrected.value is not None for effect in analysis.effects):
        out.print(_effects(analysis))
    if analysis.judge_human:
        out.print(_agreement(analysis))
    if analysis.human_human is not None:
        people = analysis.human_human
        out.print(
            f"{len(people.judges)} people labelled {people.units} of the same items: same label "
            f"{_share(people.raw)}, Krippendorff's alpha {_number(people.krippendorff_alpha)}.",
            markup=False,
        )
    print_warnings(out, analysis.warnings)
    out.print(f"Methods: {'; '.join(method.name for method in analysis.methods)}.", markup=False)


def _effects(analysis: LabelAnalysis) -> Table:
    """Return one block of rows a treatment: a way to the effect, and the effect with its interval."""
    level = f"{100 * (1 - analysis.alpha):g} % interval"
    table = Table(title=f"Effect against {escape(analysis.control)}", title_justify="left", title_style="bold")
    what = "share of the preference" if analysis.kind == "preference" else "effect"
    for name in ("treatment", "by", f"{what} ({level})", "samples"):
        table.add_column(name, overflow="fold")
    for effect in analysis.effects:
        for number, (way, text, samples) in enumerate(_ways(analysis.kind, effect)):
            table.add_row("" if number else escape(effect.treatment), way, text, samples)
    return table


def _ways(kind: LabelKind, effect: CorrectedEffect) -> list[tuple[str, str, str]]:
    judged, labelled = f"{effect.judged:,} judged", f"{effect.labelled:,} labelled"
    # An error in a preference is a difference of shares, as one in a pass rate.
    off = interval_text(effect.judge_error, "scale" if kind == "scale" else "binary")
    rows = [
        ("people and judge (PPI++)", interval_text(effect.corrected, kind), f"{labelled} of {judged}"),
        ("people alone", interval_text(effect.labels_alone, kind), labelled),
        ("judge alone", interval_text(effect.judge_alone, kind), judged),
        ("judge less people", off, labelled),
    ]
    if effect.rates is not None:
        found = effect.rates.effect
        told = interval_text(found, kind) if found.value is not None else found.status
        rows.insert(1, ("error rates (Rogan-Gladen)", told, f"{labelled} of {judged}"))
    return rows


def _agreement(analysis: LabelAnalysis) -> Table:
    table = Table(title="Judge and people", title_justify="left", title_style="bold")
    scale = analysis.kind == "scale"
    heads = ("mean distance", "correlation", "kappa", "same label") if scale else ("accuracy", "same", "kappa", "AC1")
    for name in ("items chosen", "items", *heads):
        table.add_column(name, overflow="fold")
    for row in analysis.judge_human:
        if scale:
            distance, correlation = _number(row.mean_absolute_difference), _number(row.pearson)
            cells = (distance, correlation, _number(row.cohen_kappa), _share(row.raw))
        else:
            accuracy = _share(row.accuracy)
            if row.accuracy_low is not None and row.accuracy_high is not None:
                accuracy += f" ({_share(max(0.0, row.accuracy_low))} to {_share(min(1.0, row.accuracy_high))})"
            cells = (accuracy, _share(row.raw), _number(row.cohen_kappa), _number(row.gwet_ac1))
        table.add_row(_CHOSEN[row.chosen], f"{row.items:,}", *cells)
    return table


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"
