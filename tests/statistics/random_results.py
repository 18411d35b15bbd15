"""Small random files of results in the three formats of rows, sane and mad, with random options of `abtest analyze`."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from random import Random
from typing import Any

Row = dict[str, Any]

NAMES = (
    "[red]x[/]",
    "[/]",
    "x\ny",
    "é😀\u202e",
    "\\",
    "a:p95",
    "latency_ms",
    "<b>",
    "=1+1",
    "x" * 300,
    " ",
    "\x1b[31m",
    "-1",
)
METRICS = ("score", "right", "latency_ms", "cost_usd", "error_rate", "refusal_rate", "a:b", "m=n", "[bold]m", "m:p95")
VALUES: dict[str, tuple[Any, ...]] = {
    "binary": (0, 1),
    "ones": (1,),
    "zeros": (0,),
    "likert": (1, 2, 3, 4, 5),
    "real": (0.1, 0.2, 0.3, 0.7, 1 / 3),
    "mixed": (0, 1, 1e16, 1e-16, -7.25),
    "near": (1.0, 1 + 1e-15, 1 - 1e-15),
    "big": (1e49, -1e49, 3e48),
    "denormal": (5e-324, 1e-310, 0.0),
    "huge": (1e308, -1e308, 10**400, 1),
}
STYLES = ("binary", "likert", "real") * 4 + ("ones", "zeros", "mixed", "near", "big") * 2 + ("denormal", "huge")
BAD: tuple[Any, ...] = (None, "", "nan", "inf", "x", True, "1", [], {}, float("nan"), float("inf"), "0x1", -0.0)
WORDS = {"ones": ("first",), "zeros": ("tie",), "huge": ("invalid",), "binary": ("first", "second")}
DESIGNS = ("fixed",) * 6 + ("always_valid",) * 2
GROUPED = ("group_sequential:1/3", "group_sequential:3/3", "group_sequential:2/5:pocock", "group_sequential:50/50")


def command(seed: int, folder: Path) -> list[str]:
    """Return the arguments of one random analysis, after writing its file."""
    random = Random(seed)
    count = random.choice((1, 2, 2, 2, 2, 3, 4))
    names = random.sample(NAMES, count) if random.random() < 0.4 else ["a", "b", "c", "d"][:count]
    metrics = ["score"] if random.random() < 0.5 else random.sample(METRICS, random.choice((1, 2, 3)))
    kind = random.choice(("scores", "scores", "pairwise", "preference"))
    rows = _rows(random, kind, names, metrics)
    path = _written(random, rows, folder)
    return ["analyze", str(path), *_options(random, names, metrics if kind == "scores" else ["preference"])]


def _options(random: Random, names: list[str], metrics: list[str]) -> list[str]:
    mad = random.random() < 0.1
    given: list[str] = []

    def maybe(chance: float, name: str, *values: object) -> None:
        if random.random() < chance:
            given.append(f"--{name}={random.choice(values)}")

    def one_of(known: list[str]) -> str:
        return "nobody" if mad and random.random() < 0.3 else random.choice(known)

    maybe(0.2, "control", one_of(names))
    maybe(0.2, "treatment", one_of(names))
    maybe(0.25, "metric", one_of(metrics))
    maybe(0.2, "alpha", *(("0", "0.5", "nan") if mad else ("0.05", "0.01", "0.2", "0.49", "1e-9")))
    maybe(0.2, "tie-margin", *(("-1", "nan", "inf") if mad else ("0", "0.1", "1", "1e49")))
    endings = ("", ":p95", ":p50", ":p42" if mad else "")
    for name in {f"{one_of(metrics)}{random.choice(endings)}": None for _ in range(random.choice((0, 0, 1, 2, 3)))}:
        maybe(1, "margin", *(f"{name}={value}" for value in ("0.1", "10%", "0.99", "100%", "-1" if mad else "0.02")))
    maybe(0.2, "lower-is-better", one_of(metrics))
    maybe(0.3 if mad else 0.02, "range", "0:1", "5:1", "-1e9:1e9", ":")
    design = random.choice((*DESIGNS, *GROUPED, *(("bogus", "group_sequential:9/3") if mad else ())))
    given.append(f"--design={design}")
    if design != "fixed":
        maybe(0.97 if design.startswith("g") else 0.2, "planned", 1, 40, 1000, 10**9)
    maybe(0.2, "seed", 0, 1, 10**25)
    return given


def _rows(random: Random, kind: str, names: list[str], metrics: list[str]) -> list[Row]:
    make = {"scores": _score_rows, "pairwise": _pairwise_rows, "preference": _preference_rows}[kind]
    style = random.choice(STYLES)
    missing, bad, drop = (random.choice(of) for of in ((0, 0, 0.1, 0.6, 1.0), (0, 0, 0, 0, 0.01), (0, 0, 0.1, 0.6)))
    judges = random.choice(([None], [None], ["j1"], ["j1", "[j2]"]))
    clusters, slices = random.choice((None, None, 1, 2, 5, 99)), random.choice((None, None, 1, 2, 40))

    def value() -> Any:
        if random.random() < bad:
            return random.choice(BAD)
        return None if random.random() < missing else random.choice(VALUES[style])

    rows: list[Row] = []
    for i in range(random.choice((0, 1, 2, 3, 5, 8, 12, 30, 45))):
        about: Row = {"sample": f"s{i}" if random.random() < 0.99 else random.choice(("s0", "", "[x]", 7))}
        if clusters is not None:
            about["cluster"] = f"c{i % clusters}"
        if slices is not None:
            about["slice"] = f"l{i % slices}"
        for judge in judges:
            told = about if judge is None else {**about, "judge": judge}
            made = make(random, names, metrics, style, value)
            rows += [{**told, **row} for row in made if random.random() >= drop]
    return [*rows, rows[0]] if rows and random.random() < 0.03 else rows


def _score_rows(random: Random, names: list[str], metrics: list[str], style: str, value: Any) -> list[Row]:
    named = metrics != ["score"]
    return [
        {"variant": name, "score": value(), **({"metric": metric} if named else {})}
        for name in names
        for metric in metrics
    ]


def _pairwise_rows(random: Random, names: list[str], metrics: list[str], style: str, value: Any) -> list[Row]:
    words = WORDS.get(style, ("first", "second", "tie", "invalid"))
    one_order = style == "real"
    pairs = [(x, y) for x in names for y in names if x != y and not (one_order and x > y)]
    # Of the denormal style one variant always wins: separated strengths.
    return [
        {
            "first": x,
            "second": y,
            "verdict": ("first" if x == names[0] else "second") if style == "denormal" else random.choice(words),
        }
        for x, y in pairs
    ]


def _preference_rows(random: Random, names: list[str], metrics: list[str], style: str, value: Any) -> list[Row]:
    rows: list[Row] = []
    for name in names[1:]:
        drawn = value()
        if isinstance(drawn, float) and style in ("real", "near", "mixed"):
            drawn = min(1.0, max(0.0, drawn))
        row: Row = {"variant": name, "baseline": names[0], "preference": drawn}
        if style != "ones":
            equal = style == "zeros"
            row["length_baseline"] = 10 if equal else random.choice((1, 50, 1000, 0, None))
            row["length_variant"] = 10 if equal else random.choice((1, 50, 1000, 5))
        rows.append(row)
    return rows


def _written(random: Random, rows: list[Row], folder: Path) -> Path:
    form = random.choice(("csv", "jsonl", "json"))
    if form == "csv":
        columns = list(dict.fromkeys(key for row in rows for key in row)) or ["sample", "variant", "score"]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if row.get(key) is None else row[key] for key in columns] for row in rows])
        text = out.getvalue()
    else:
        text = json.dumps(rows) if form == "json" else "".join(f"{json.dumps(row)}\n" for row in rows)
    content = text.encode()
    if random.random() < 0.1:
        content = gzip.compress(content)
    if random.random() < 0.02:
        content = content[: random.randrange(len(content))] if content else content
    path = folder / f"f.{form}"
    path.write_bytes(content)
    return path
