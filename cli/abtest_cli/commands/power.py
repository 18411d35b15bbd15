"""`abtest power`: how many samples a test needs, without any cloud.

Depends on: typer; `abtest_cli.power_options`, `abtest.analytics.power.plan`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abtest_cli.commands.run import LOCAL, Environment


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("power")(power)


def _number(name: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, help=text, show_default=False)
    return option


def power(
    *,
    effect: Annotated[float | None, _number("--effect", "Difference B - A to find: 0.05 is 5 points.")] = None,
    target: Annotated[float | None, _number("--target", "B's value to find, in place of the effect.")] = None,
    samples: Annotated[int | None, _number("--samples", "Samples there are: pairs, or of each variant.")] = None,
    metric: Annotated[
        str | None,
        _number("--metric", "proportion, mean or win_rate. [default: what the other numbers speak of]"),
    ] = None,
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Each sample gets one variant only.")] = False,
    baseline: Annotated[float | None, _number("--baseline", "A's share or mean now: 0.7 is 70 %.")] = None,
    discordance: Annotated[float | None, _number("--discordance", "Share of samples only one variant passes.")] = None,
    ties: Annotated[float | None, _number("--ties", "Share of ties among the verdicts of a win rate.")] = None,
    sd_difference: Annotated[
        float | None, _number("--sd-difference", "Standard deviation of a sample's difference B - A.")
    ] = None,
    sd: Annotated[float | None, _number("--sd", "Standard deviation of A's scores.")] = None,
    sd_treatment: Annotated[float | None, _number("--sd-treatment", "Of B's scores. [default: that of A's]")] = None,
    correlation: Annotated[float | None, _number("--correlation", "Of A's and B's scores of a sample.")] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Two-sided error rate.")] = 0.05,
    chance: Annotated[float, typer.Option("--power", help="Chance to find the effect.")] = 0.8,
    cluster_size: Annotated[
        int | None, _number("--cluster-size", "Samples that belong together, such as those of one document.")
    ] = None,
    icc: Annotated[float | None, _number("--icc", "Correlation of two differences within a cluster.")] = None,
    judges: Annotated[int | None, _number("--judges", "Judges whose mean counts.")] = None,
    judge_correlation: Annotated[
        float | None, _number("--judge-correlation", "Of the differences that two judges see.")
    ] = None,
    judge_noise: Annotated[
        float | None, _number("--judge-noise", "Variance of one judge's error in a difference, in its place.")
    ] = None,
    answers: Annotated[int | None, _number("--answers", "Answers of each variant to each sample.")] = None,
    within_variance: Annotated[
        float | None, _number("--within-variance", "Variance from answer to answer, of both variants added.")
    ] = None,
    design: Annotated[
        str,
        typer.Option("--design", help="fixed, group_sequential:LOOKS[:pocock] or always_valid[:LOOKS]."),
    ] = "fixed",
    cost_usd: Annotated[
        str | None, _number("--cost-usd", "Dollars a sample costs: an answer of each variant, judged.")
    ] = None,
    calls_per_sample: Annotated[float, typer.Option("--calls-per-sample", help="Calls that takes.")] = 2,
    calls_per_minute: Annotated[float | None, _number("--calls-per-minute", "Limit of calls.")] = None,
    latency_ms: Annotated[float | None, _number("--latency-ms", "Mean duration of a call.")] = None,
    calls_at_once: Annotated[int | None, _number("--calls-at-once", "Calls in flight together.")] = None,
    pilot: Annotated[
        list[Path] | None, _number("--pilot", "File of results that fills the gaps; may be repeated.")
    ] = None,
    format_name: Annotated[str | None, _number("--format", "Format of the pilot's files. [default: detected]")] = None,
    pilot_run: Annotated[str | None, _number("--pilot-run", "Completed run that fills the gaps.")] = None,
    pilot_control: Annotated[
        str | None, _number("--control", "A in the pilot's files. [default: the first variant]")
    ] = None,
    pilot_treatment: Annotated[
        str | None, _number("--treatment", "B in the pilot. [default: the next variant]")
    ] = None,
    pilot_metric: Annotated[
        str | None, _number("--pilot-metric", "Metric of the pilot. [default: the first or primary one]")
    ] = None,
    env: Environment = LOCAL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Say how many samples a test needs, what it finds, and what that costs. Needs no platform."""
    import json

    from abtest.analytics.power.pilot import plan_from_pilot
    from abtest.analytics.power.plan import plan_power
    from abtest_cli.output import console
    from abtest_cli.power_options import PilotSource, pilot_from, request_of
    from abtest_cli.power_table import show_plan

    source = PilotSource(
        files=tuple(pilot or ()),
        format_name=format_name,
        run_id=pilot_run,
        control=pilot_control,
        treatment=pilot_treatment,
        metric=pilot_metric,
        environment=env,
    )
    request = request_of(
        {
            "metric": metric,
            "paired": not unpaired,
            "effect": effect,
            "target": target,
            "samples": samples,
            "alpha": alpha,
            "power": chance,
            "sd_difference": sd_difference,
            "sd": sd,
            "sd_treatment": sd_treatment,
            "correlation": correlation,
            "baseline": baseline,
            "discordance": discordance,
            "ties": ties,
            "clusters": {"size": cluster_size, "icc": icc},
            "judges": {"count": judges, "correlation": judge_correlation, "noise_variance": judge_noise},
            "resamples": {"answers": answers, "within_variance": within_variance},
            "running": {
                "cost_usd_per_sample": cost_usd,
                "calls_per_sample": calls_per_sample,
                "calls_per_minute": calls_per_minute,
                "latency_ms": latency_ms,
                "calls_at_once": calls_at_once,
            },
        },
        design,
        has_pilot=source.given,
    )
    plan = plan_from_pilot(request, pilot_from(source)) if source.given else plan_power(request)
    if as_json:
        typer.echo(json.dumps(plan.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False))
        return
    show_plan(console(), plan)
