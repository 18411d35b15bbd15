"""The page of a sheet: nothing from outside becomes markup, nothing is asked of a network, each label has its key."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from abtest.evaluation.labels.model import LabelQuestion, SheetItem
from abtest.reporting.label_page import options_of, render_label_page

ATTACK = '</script><script>alert(1)</script><img src=x onerror="alert(2)">{{ 7 * 7 }}\x07'


def question(**changes: object) -> LabelQuestion:
    facts = {"metric": "m", "kind": "scale", "text": "How good?", "scale": (1, 5), "judges": ("m",), "peers": ("m",)}
    return LabelQuestion.model_validate({**facts, **changes})


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        {"script": self.scripts, "style": self.styles}.get(self._inside, self.words).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(asked: LabelQuestion, **item: object) -> Page:
    shown = SheetItem.model_validate({"item": "item_1", "responses": ("yes",), **item})
    return Page(render_label_page("sheet_1", asked, [shown]))


def test_text_from_outside__stays_text() -> None:
    found = page(
        question(text=ATTACK, anchors=((1, ATTACK), (5, "b"))),
        inputs={ATTACK: ATTACK},
        messages=({"role": "user", "content": ATTACK},),
        documents=({"title": ATTACK, "text": ATTACK},),
        reference={"a": ATTACK},
        expected_outcome=ATTACK,
        rubric=ATTACK,
        responses=(ATTACK,),
    )
    assert len(found.scripts) == len(found.all("script")) == 1
    assert found.all("img") == []
    assert not [attributes for _, attributes in found.tags if any(name.startswith("on") for name in attributes)]
    text = "".join(found.words)
    assert text.count("alert(1)") >= 9
    # Control characters become symbols; templates are not read a second time.
    assert "␇" in text and "{{ 7 * 7 }}" in text


def test_policy__allows_the_one_script_and_style_by_hash() -> None:
    found = page(question())
    (policy,) = (m["content"] or "" for m in found.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    rules = {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": ["'none'"],
        "script-src": [digest("".join(found.scripts))],
        "style-src": [digest("".join(found.styles))],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }


def test_page__asks_for_nothing() -> None:
    text = render_label_page("sheet_1", question(), [SheetItem(item="item_1", responses=("yes",))])
    found = Page(text)
    assert not [a for _, a in found.tags if "src" in a or "href" in a or "srcset" in a or "action" in a or "style" in a]
    assert re.findall(r"https?://|fetch\(|XMLHttpRequest|innerHTML|eval\(", text) == []


def test_labels__are_the_points_of_the_scale_with_keys() -> None:
    found = page(question(anchors=((1, "bad"), (5, "good"))))
    radios = [tag for tag in found.all("input") if tag["type"] == "radio"]
    assert [(radio["value"], radio["data-key"]) for radio in radios] == [(str(n), str(n)) for n in range(1, 6)]
    assert "bad" in found.words and "good" in found.words


def test_pair__shows_two_answers_and_a_tie() -> None:
    found = page(question(kind="preference", scale=(0, 1)), responses=("left", "right"))
    radios = [tag["value"] for tag in found.all("input") if tag["type"] == "radio"]
    assert radios == ["1", "2", "tie"]
    assert {"left", "right"} <= set(found.words)


def test_pass_or_fail__has_two_labels() -> None:
    assert [(option.value, option.text) for option in options_of(question(kind="binary", scale=(0, 1)))] == [
        ("1", "pass"),
        ("0", "fail"),
    ]


def test_wide_or_broken_scale__takes_a_written_number() -> None:
    for scale in ((0, 100), (0, 0.5), (1.5, 5)):
        found = page(question(scale=scale))
        assert [tag.get("class") for tag in found.all("input") if tag.get("inputmode")] == ["number"]
        assert not [tag for tag in found.all("input") if tag["type"] == "radio"]


def test_scale_to_ten__has_keys_for_one_figure_only() -> None:
    options = options_of(question(scale=(0, 10)))
    assert [option.key for option in options] == [*(str(n) for n in range(10)), None]
