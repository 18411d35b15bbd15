"""Whether a plan can be made of what was said: every contradiction and every gap at once, in words of the request.

Depends on: `abtest.analytics.power.request`. Used by: `abtest.analytics.power.plan`.
"""

from __future__ import annotations

from collections.abc import Iterator

from abtest.analytics.power.request import PowerRequest
from abtest.analytics.power.spread import base_variance, discordance_at, has_own_test, noise_variance
from abtest.core.errors import InputIssue

_ROUNDING = 1e-12
_KINDS = "mean, proportion, win_rate"
_OF_MEANS = ("sd_difference", "sd", "sd_treatment", "correlation")


def issues_of(request: PowerRequest) -> list[InputIssue]:
    """Return everything that keeps a request from being planned; none when it can be."""
    if request.metric is None:
        return [InputIssue("metric", "nobody said what kind of metric decides", allowed=_KINDS)]
    kinds = {"mean": _mean, "proportion": _proportion, "win_rate": _win_rate}
    found = [*_question(request), *kinds[request.metric](request)]
    if not found:
        # These compute with the numbers, which must be there and say one thing.
        found = [*_effect(request), *_parts(request)]
    return [*found, *_foreign(request), *_rates(request), *_designs(request), *_running(request)]


def _question(request: PowerRequest) -> Iterator[InputIssue]:
    if request.effect is not None and request.target is not None:
        yield InputIssue("target", "says the same as effect", f"{request.target:g}", "one of both")
    elif request.effect is None and request.target is None and request.samples is None:
        yield InputIssue(
            "effect", "neither an effect nor a number of samples is given", allowed="effect, target or samples"
        )
    if request.target is not None and request.metric != "win_rate" and request.baseline is None:
        yield InputIssue("baseline", "a target needs the control's value", allowed="a number")


def _foreign(request: PowerRequest) -> Iterator[InputIssue]:
    """Yield numbers that say nothing about this kind of metric."""
    if request.metric != "mean":
        for name in _OF_MEANS:
            value = getattr(request, name)
            if value is not None:
                yield InputIssue(name, "only a mean has it", f"{value:g}", "leave it out, or metric mean")
    if request.metric != "proportion" and request.discordance is not None:
        yield InputIssue("discordance", "only a proportion has it", f"{request.discordance:g}", "leave it out")
    if request.metric != "win_rate" and request.ties is not None:
        yield InputIssue("ties", "only a win rate has them", f"{request.ties:g}", "leave it out, or metric win_rate")


def _rates(request: PowerRequest) -> Iterator[InputIssue]:
    if request.power <= request.alpha:
        yield InputIssue("power", "chance finds as much", f"{request.power:g}", f"above alpha, {request.alpha:g}")


def _designs(request: PowerRequest) -> Iterator[InputIssue]:
    looks = request.design.looks
    if request.design.kind == "fixed" and looks not in (None, 1):
        yield InputIssue(
            "design.looks", "a fixed design looks once", str(looks), "kind group_sequential or always_valid"
        )
    if request.design.kind == "group_sequential" and looks == 1:
        yield InputIssue("design.looks", "a group sequential design looks more than once", "1", "2 to 50")
    judges = request.judges
    if judges is None:
        return
    said = (judges.correlation is not None) + (judges.noise_variance is not None)
    if judges.count > 1 and said != 1:
        message = "how alike the judges are is said twice" if said else "how alike the judges are is not said"
        yield InputIssue("judges", message, allowed="correlation or noise_variance, one of both")


def _running(request: PowerRequest) -> Iterator[InputIssue]:
    running = request.running
    if running.calls_at_once is not None and running.latency_ms is None:
        yield InputIssue("running.latency_ms", "calls at once give no duration without that of one call")


def _mean(request: PowerRequest) -> Iterator[InputIssue]:
    arms = request.sd is not None or request.sd_treatment is not None or request.correlation is not None
    if request.paired and request.sd_difference is not None:
        if arms:
            yield InputIssue("sd_difference", "says the same as sd and correlation", allowed="one of both")
        return
    if not request.paired and request.sd_difference is not None:
        yield InputIssue("sd_difference", "without pairs there is no difference", allowed="sd, of the scores")
    if request.sd is None:
        allowed = "sd_difference, or sd and correlation" if request.paired else "sd"
        yield InputIssue(
            "sd_difference" if request.paired else "sd", "how much scores vary is not said", allowed=allowed
        )
    elif request.paired and request.correlation is None:
        yield InputIssue("correlation", "pairs need the correlation of the two variants' scores", allowed="-1 to 1")
    if not request.paired and request.correlation is not None:
        yield InputIssue("correlation", "without pairs there is none", f"{request.correlation:g}", "leave it out")


def _proportion(request: PowerRequest) -> Iterator[InputIssue]:
    baseline, target = request.baseline, request.target
    for name, value in (("baseline", baseline), ("target", target)):
        if value is not None and not 0 <= value <= 1:
            yield InputIssue(name, "not a share", f"{value:g}", "0 to 1")
    if request.effect is not None and not -1 <= request.effect <= 1:
        yield InputIssue("effect", "shares differ by 1 at most", f"{request.effect:g}", "-1 to 1, 0.05 is 5 points")
    if not request.paired and request.discordance is not None:
        yield InputIssue("discordance", "without pairs there is none", f"{request.discordance:g}", "leave it out")
    if baseline is None and (not request.paired or request.discordance is None):
        allowed = "the control's share; for pairs discordance instead, or both" if request.paired else "0 to 1"
        yield InputIssue("baseline", "how often the control passes is not said", allowed=allowed)
    if request.discordance == 0:
        yield InputIssue("discordance", "variants that never differ cannot be told apart", "0", "above 0")


def _win_rate(request: PowerRequest) -> Iterator[InputIssue]:
    if not request.paired:
        yield InputIssue("paired", "a win rate compares two answers to the same sample", "false", "true")
    if request.baseline is not None:
        yield InputIssue("baseline", "a win rate is told from 1/2", f"{request.baseline:g}", "leave it out")
    if request.ties is not None and request.ties >= 1:
        yield InputIssue("ties", "nothing is decided", f"{request.ties:g}", "below 1")


def _effect(request: PowerRequest) -> Iterator[InputIssue]:
    effect, name = request.wanted, "effect" if request.target is None else "target"
    if effect is None:
        return
    if effect == 0:
        yield InputIssue(name, "no number of samples finds no effect", allowed="an effect other than 0")
        return
    if request.metric == "proportion":
        yield from _shares(request, effect, name)
    if request.metric == "win_rate":
        most = (1 - (request.ties or 0.0)) / 2
        if abs(effect) > most + _ROUNDING:
            allowed = f"a win rate from {0.5 - most:g} to {0.5 + most:g}"
            yield InputIssue(name, "so many ties leave less to win", f"{0.5 + effect:g}", allowed)


def _shares(request: PowerRequest, effect: float, name: str) -> Iterator[InputIssue]:
    baseline = request.baseline
    if baseline is not None and not -_ROUNDING <= baseline + effect <= 1 + _ROUNDING:
        found = f"{baseline:g} {effect:+g}"
        yield InputIssue(
            name, "the treatment's share would not be a share", found, f"{-baseline:g} to {1 - baseline:g}"
        )
        return
    if not request.paired:
        return
    discordance = discordance_at(request, effect)
    if abs(effect) > discordance + _ROUNDING:
        message = "samples that differ cannot be fewer than the effect"
        yield InputIssue("discordance", message, f"{discordance:g}", f"at least {abs(effect):g}")
    elif baseline is not None:
        passes = 2 * baseline + effect
        most = min(passes, 2 - passes)
        if discordance > most + _ROUNDING:
            message = "these shares cannot differ in so many samples"
            yield InputIssue("discordance", message, f"{discordance:g}", f"{abs(effect):g} to {most:g}")


def _parts(request: PowerRequest) -> Iterator[InputIssue]:
    """Yield parts of the variance that are more than the whole."""
    whole = base_variance(request, request.wanted or 0.0)
    if whole <= _ROUNDING and not has_own_test(request):
        names = {"mean": "correlation", "proportion": "discordance", "win_rate": "effect"}
        message = "every sample would differ by the same amount, of which there is no test"
        yield InputIssue(names[request.metric or "mean"], message)
        return
    noise = noise_variance(request, whole)
    if noise > whole * (1 + 1e-9):
        yield InputIssue(
            "judges.noise_variance", "more than the difference varies in all", f"{noise:g}", f"at most {whole:g}"
        )
    if request.resamples is None:
        return
    within = request.resamples.within_variance
    if within > whole * (1 + 1e-9):
        yield InputIssue(
            "resamples.within_variance", "more than the difference varies in all", f"{within:g}", f"at most {whole:g}"
        )
    elif noise > within * (1 + 1e-9):
        message = "less than the judges' noise, which is drawn anew for each answer"
        yield InputIssue("resamples.within_variance", message, f"{within:g}", f"at least {noise:g}")
