"""The one Jinja environment: every text is escaped, an unknown name is an error.

Depends on: jinja2; `abtest.analytics.wording`, `abtest.reporting.reasons`. Used by: `abtest.reporting.report`,
`abtest.reporting.portfolio`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from abtest.analytics.wording import number_text
from abtest.core.money import dollars
from abtest.reporting.reasons import reason_text

TEXT_LIMIT = 6_000
"""Characters of one answer that a page shows; all of them are in samples.csv."""


@cache
def environment() -> Environment:
    """Return the environment with the product's templates and filters."""
    made = Environment(
        loader=PackageLoader("abtest.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    made.filters.update(
        dollars=lambda amount: dollars(None if amount is None else Decimal(amount)),
        count=lambda number: f"{number:,}",
        reason=reason_text,
        visible=visible,
        json_text=json_text,
        moment=moment,
        signed=number_text,
        breakable=breakable,
    )
    return made


def breakable(name: str) -> Markup:
    """Return a name that may be broken after its dots and underscores, and is copied without a trace of it."""
    return Markup(str(escape(name)).replace(".", ".<wbr>").replace("_", "_<wbr>"))  # noqa: S704 - it is escaped


def visible(text: str) -> str:
    """Return a text that a browser shows as it is: control characters become their visible symbols."""
    cleaned = text.replace("\r\n", "\n")
    if len(cleaned) <= TEXT_LIMIT:
        return cleaned
    return f"{cleaned[:TEXT_LIMIT]}… ({len(cleaned) - TEXT_LIMIT:,} more characters in samples.csv)"


_SYMBOLS = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: "␡"}


def _printable(value: Any) -> Any:
    # Only what comes from outside is a plain str here; markup of the templates passes untouched.
    return value.translate(_SYMBOLS) if type(value) is str else value


def json_text(value: Any) -> str:
    """Return a value as a person reads it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def moment(iso: str | None) -> str:
    """Return `2026-01-31T12:00:00.000Z` as `2026-01-31 12:00 UTC`; a dash for None."""
    if not iso:
        return "–"
    return f"{iso[:10]} {iso[11:16]} UTC" if len(iso) >= 16 and iso.endswith(("Z", "+00:00")) else iso
