"""What a terminal shows of judges: lists, one of them whole, and what a trial of one showed.

Depends on: rich, `abtest_cli.output`. Used by: `abtest judges`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from abtest.core.money import dollars
from abtest_cli.output import counted, escape, money

_ORDERS = {"control_first": "control first", "treatment_first": "treatment first", None: "–"}
_HASH_DIGITS = 12


def judges_table(items: Sequence[Mapping[str, Any]]) -> Table:
    """Return the judge types, as the API lists them."""
    table = _table("Judges", "judge", "how", "what it says", "options")
    for item in items:
        table.add_row(*map(escape, (item["type"], item["kind"], item["summary"], _option_names(item))))
    return table


def dimensions_table(items: Sequence[Mapping[str, Any]]) -> Table:
    """Return the built-in dimensions."""
    table = _table("Dimensions", "dimension", "scale", "reads", "question")
    for item in items:
        reads = ", ".join(item["reads"]) or "–"
        table.add_row(*map(escape, (item["name"], _scale(item["scale"]), reads, item["question"])))
    return table


def templates_table(items: Sequence[Mapping[str, Any]]) -> Table:
    """Return the templates, built in and the workspace's own."""
    table = _table("Templates", "template", "version", "whose", "sha256", "what it is")
    for item in items:
        what = item.get("summary") or f"for {item['judge']} judges, by {item['created_by']}, {item['created_at'][:10]}"
        whose = "built in" if item["built_in"] else "yours"
        digits = item["sha256"][:_HASH_DIGITS]
        table.add_row(*map(escape, (item["name"], str(item["version"]), whose, digits, what)))
    return table


def shown(found: Mapping[str, Any]) -> Iterator[Any]:
    """Return what a name stands for: a judge, a dimension, a template, or several of them."""
    if "judge" in found:
        yield from _judge(found["judge"])
    if "dimension" in found:
        yield from _dimension(found["dimension"])
    if "template" in found:
        yield from _template(found["template"])


def prompts_shown(result: Mapping[str, Any]) -> Iterator[Any]:
    """Return the prompts of a trial."""
    for judge in result["judges"]:
        for prompt in judge["prompts"]:
            yield from _prompt(judge, prompt)


def trial_shown(result: Mapping[str, Any], *, raw: bool) -> Iterator[Any]:
    """Return what a trial showed.

    Args:
        result: as the API returns it.
        raw: the prompts and the model's replies as well.
    """
    for judge in result["judges"]:
        if raw:
            for prompt in judge["prompts"]:
                yield from _prompt(judge, prompt)
            yield from map(_reply, judge["replies"])
        yield from _verdicts(judge)
    for opinion in result["panel"]:
        yield _opinion(result["judge"], opinion)
    if result["calls"]:
        cost = dollars(money(result["cost_usd"]))
        tokens = f"{result['input_tokens']:,} tokens in and {result['output_tokens']:,} out"
        yield f"[dim]{counted(result['calls'], 'call')}, {tokens}, cost {cost}.[/]"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _option_names(item: Mapping[str, Any]) -> str:
    schema = item.get("parameters") or {}
    needed = set(schema.get("required") or ())
    return ", ".join(f"{o} (needed)" if o in needed else o for o in schema.get("properties") or {}) or "–"


def _scale(scale: Sequence[float]) -> str:
    return f"{scale[0]:g} to {scale[1]:g}"


def _judge(item: Mapping[str, Any]) -> Iterator[Any]:
    yield f"[bold]{escape(item['type'])}[/] ({escape(item['kind'])}): {escape(item['summary'])}"
    schema = item.get("parameters") or {}
    needed = set(schema.get("required") or ())
    table = _table("Options", "option", "default", "type", "meaning")
    for name, option in (schema.get("properties") or {}).items():
        default = "needed" if name in needed else _value(option.get("default"))
        kind = _type(option, schema.get("$defs") or {})
        table.add_row(*map(escape, (name, default, kind, option.get("description") or "")))
    yield table


def _type(option: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return what an option may be, in a few words.

    Args:
        option: its JSON schema.
        known: what the schema refers to.
    """
    choices = option.get("enum") or [option[key] for key in ("const",) if key in option]
    if choices:
        return ", ".join(map(_value, choices))
    kinds = [_type(one, known) for one in option.get("anyOf") or ()]
    if kinds:
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "$ref" in option:
        return _type(known.get(str(option["$ref"]).rpartition("/")[2], {}), known)
    if option.get("properties"):
        return f"object with {', '.join(option['properties'])}"
    if "items" in option:
        return f"list of {_type(option['items'], known)}"
    bounds = [f"{word} {option[key]:g}" for key, word in _BOUNDS.items() if key in option]
    return " ".join([str(option.get("type", "any")), *bounds])


_BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def _value(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {_value(part)}" for name, part in value.items() if part is not None)
    if value in (None, "", [], ()):
        return "none"
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _dimension(item: Mapping[str, Any]) -> Iterator[Any]:
    reads = f" Reads: {', '.join(item['reads'])}." if item["reads"] else ""
    yield f"[bold]{escape(item['name'])}[/]: {escape(item['question'])}{escape(reads)}"
    table = _table(f"Scale {_scale(item['scale'])}", "score", "an answer of this score")
    for point, anchor in item["anchors"].items():
        table.add_row(escape(str(point)), escape(anchor))
    yield table


def _template(item: Mapping[str, Any]) -> Iterator[Any]:
    whose = "built in" if item["built_in"] else f"for {item['judge']} judges, by {item['created_by']}"
    yield f"[bold]{escape(item['name'])}[/], version {item['version']} ({escape(whose)}), sha256 {item['sha256']}"
    if item.get("variables"):
        yield f"Variables: {escape(', '.join(item['variables']))}"
    for part in ("system", "user"):
        if item.get(part):
            yield from _headed(part, item[part])


def _headed(heading: str, text: str) -> Iterator[Any]:
    yield f"[bold dim]── {escape(heading)} ──[/]"
    yield _whole(text)


def _whole(text: str) -> str:
    """Return a text of several lines as a terminal may show it."""
    return "\n".join(map(escape, text.split("\n")))


def _prompt(judge: Mapping[str, Any], prompt: Mapping[str, Any]) -> Iterator[Any]:
    facts = [f"{judge['judge']} asks {judge['provider']}/{judge['model']} about {prompt['variant']}"]
    facts += [_ORDERS[prompt["order"]]] if prompt["order"] else []
    facts += [f"repeat {prompt['repeat'] + 1}"] if prompt["repeat"] else []
    facts += ["again, because the first reply could not be read"] if prompt["repair"] else []
    yield f"[bold]{escape(', '.join(facts))}[/]"
    for message in prompt["messages"]:
        yield from _headed(message["role"], message["content"])


def _reply(reply: Mapping[str, Any]) -> str:
    what = _whole(reply["text"] or "(no text)")
    why = f" ({reply['failure_reason']})" if reply["failure_reason"] else ""
    return f"[bold dim]── reply, {escape(reply['outcome'])}{escape(why)} ──[/]\n{what}"


def _verdicts(judge: Mapping[str, Any]) -> Iterator[Any]:
    asks = f", {judge['provider']}/{judge['model']}" if judge["model"] else ""
    yield f"[bold]{escape(judge['judge'])}[/] ({escape(judge['type'] + asks)}), scale {_scale(judge['scale'])}"
    for note in judge["notes"]:
        yield f"[yellow]Note:[/] {escape(note)}"
    for verdict in judge["verdicts"]:
        yield f"  {escape(_verdict(verdict))}"
        if verdict["votes"]:
            yield _votes(verdict["votes"])
    failed = [reply["failure_reason"] for reply in judge["replies"] if reply["outcome"] == "failed"]
    for reason in dict.fromkeys(failed):
        from abtest.providers.advice import WHAT_TO_DO

        calls = counted(failed.count(reason), "call")
        yield f"  [red]{calls} failed: {escape(reason)}.[/] {escape(WHAT_TO_DO.get(reason, ''))}"


def _verdict(verdict: Mapping[str, Any]) -> str:
    against = f" against {verdict['against']}" if verdict["against"] else ""
    score = verdict["status"].replace("_", " ") if verdict["score"] is None else f"{verdict['score']:g}"
    dimensions = ", ".join(f"{name} {value:g}" for name, value in verdict["dimensions"].items())
    parts = [f"{verdict['variant']}{against}: {score}", *([dimensions] if dimensions else [])]
    reason = f" ({verdict['reason']})" if verdict["reason"] else ""
    return "; ".join(parts) + reason


def _votes(votes: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Votes", "shown", "repeat", "says", "dimensions", "reason")
    for vote in votes:
        says = vote["status"] if vote["score"] is None else f"{vote['score']:g}"
        says += ", at the second attempt" if vote["repaired"] else ""
        dimensions = ", ".join(f"{name} {value:g}" for name, value in vote["dimensions"].items()) or "–"
        row = (_ORDERS[vote["order"]], str(vote["repeat"] + 1), says, dimensions, vote["reason"] or "–")
        table.add_row(*map(escape, row))
    return table


def _opinion(panel: str, opinion: Mapping[str, Any]) -> str:
    score = "no score" if opinion["score"] is None else f"{opinion['score']:g}"
    spread = "" if opinion["spread"] is None else f", {opinion['spread']:g} apart"
    agreed = "agreed" if opinion["agreed"] else "not agreed"
    reason = f": {opinion['reason']}" if opinion["reason"] else ""
    facts = f"{opinion['consensus']} of {len(opinion['scores'])}, {agreed}{spread}{reason}"
    return f"[bold]{escape(panel)}[/] {escape(opinion['variant'])}: {score} ({escape(facts)})"
