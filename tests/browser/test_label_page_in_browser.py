"""The page of a labelling sheet in a real browser: keys, what it keeps, what it saves, and that its policy holds.

Chromium is driven over a pair of pipes. Where none is installed these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abtest.evaluation.labels.model import LabelQuestion, SheetItem
from abtest.evaluation.labels.reading import read_labels
from abtest.reporting.label_page import render_label_page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

ATTACK = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>'
QUESTION = LabelQuestion(
    metric="helpful", kind="scale", text="How good?", scale=(1, 5), judges=("helpful",), peers=("helpful",)
)
PAIRS = LabelQuestion(metric="better", kind="preference", text="Which?", judges=("better",), peers=("better",))
WAIT_S = 20.0


class Browser:
    """One tab of a headless Chromium, spoken to by the DevTools protocol over file descriptors 3 and 4."""

    def __init__(self, folder: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        self._buffer, self._number, self.messages = b"", 0, []
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        flags += ["--disable-component-update", "--disable-sync", "--disable-quic", "--remote-debugging-pipe"]
        script = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", script, "bash", CHROMIUM or "", *flags, f"--user-data-dir={folder / 'profile'}"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        target = self.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = None
        self._session = self.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        where = {"behavior": "allow", "downloadPath": str(self.downloads)}
        self.ask("Browser.setDownloadBehavior", where, page=False)

    def ask(self, method: str, params: dict[str, Any] | None = None, *, page: bool = True) -> dict[str, Any]:
        """Send one command and return its result; events on the way are kept."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params or {}}
        if page and getattr(self, "_session", None):
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self.messages.append(message)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._read, 1 << 16)
            assert piece, "the browser has gone"
            self._buffer += piece
        raw, self._buffer = self._buffer.split(b"\0", maxsplit=1)
        message: dict[str, Any] = json.loads(raw)
        return message

    def open(self, path: Path) -> None:
        self.ask("Page.navigate", {"url": path.as_uri()})
        self.until("document.readyState === 'complete' && !document.getElementById('tools').hidden")

    def open_again(self, path: Path, expression: str) -> None:
        """Open a page until something is true of it: what one process of a browser keeps reaches the next soon."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            self.open(path)
            if self.value(expression):
                return
            time.sleep(0.05)
        raise AssertionError(f"never came true: {expression}")

    def value(self, expression: str) -> Any:
        found = self.ask("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if self.value(f"(() => {{ try {{ return {expression}; }} catch (e) {{ return false; }} }})()"):
                return
            time.sleep(0.05)
        raise AssertionError(f"never came true: {expression}")

    def press(self, *keys: str) -> None:
        for key in keys:
            text = {} if len(key) > 1 else {"text": key}
            self.ask("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, **text})
            self.ask("Input.dispatchKeyEvent", {"type": "keyUp", "key": key})

    def type(self, text: str) -> None:
        self.ask("Input.insertText", {"text": text})

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=WAIT_S)
        os.close(self._write)
        os.close(self._read)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    opened = Browser(tmp_path)
    yield opened
    opened.close()


def page(folder: Path, question: LabelQuestion, items: int = 3) -> Path:
    responses = ("left", ATTACK) if question.kind == "preference" else (ATTACK,)
    shown = [SheetItem(item=f"item_{n}", inputs={ATTACK: ATTACK}, responses=responses) for n in range(items)]
    path = folder / f"{question.kind}.html"
    path.write_text(render_label_page("sheet_1", question, shown), encoding="utf-8")
    return path


SHOWN = "[...document.querySelectorAll('.item')].filter((item) => !item.hidden).map((item) => item.id).join()"


def test_a_sheet_is_labelled__by_keys_alone_kept_and_saved(browser: Browser, tmp_path: Path) -> None:
    path = page(tmp_path, QUESTION)
    browser.open(path)
    assert browser.value(SHOWN) == "item_0"
    assert browser.value("document.getElementById('save').disabled") is True
    browser.press("4", "j", "2", "j", "k", "n")
    browser.type("5 is too much = no")
    assert browser.value(SHOWN) == "item_1"
    assert browser.value("document.getElementById('count').textContent") == "2 of 3 labelled"
    # Without a name nothing can be saved.
    assert browser.value("document.getElementById('save').disabled") is True
    browser.value("document.getElementById('labeller').focus()")
    browser.type("Ada j 4")
    assert browser.value("document.getElementById('save').disabled") is False
    assert browser.value(SHOWN) == "item_1"

    # A new visit finds everything again, at the first item without a label.
    browser.open_again(path, "document.getElementById('labeller').value === 'Ada j 4'")
    assert browser.value(SHOWN) == "item_2"
    assert browser.value("document.getElementById('count').textContent") == "2 of 3 labelled"

    browser.value("document.getElementById('save').click()")
    saved = browser.downloads / "labels-sheet_1.jsonl"
    end = time.monotonic() + WAIT_S
    while not saved.exists() and time.monotonic() < end:
        time.sleep(0.05)
        browser.value("1")
    found = read_labels(saved.read_bytes())
    assert (found.sheet_id, found.labeller) == ("sheet_1", "Ada j 4")
    assert [(one.item, one.label, one.note) for one in found.labels] == [
        ("item_0", "4", None),
        ("item_1", "2", "5 is too much = no"),
    ]


def test_pair__is_labelled_by_its_keys(browser: Browser, tmp_path: Path) -> None:
    browser.open(page(tmp_path, PAIRS))
    browser.press("t", "j", "2", "j", "3")
    chosen = "[...document.querySelectorAll('input:checked')].map((one) => one.value).join()"
    assert browser.value(chosen) == "tie,2"


def test_text_from_outside__runs_nothing_and_the_policy_is_kept(browser: Browser, tmp_path: Path) -> None:
    browser.open(page(tmp_path, QUESTION))
    assert browser.value("document.title") == "Labels: helpful"
    assert browser.value("document.images.length") == 0
    assert browser.value("document.querySelectorAll('script').length") == 1
    # What the page ships is what its policy allows: nothing was refused, and its style is there.
    assert browser.value("getComputedStyle(document.querySelector('.response')).borderRadius") == "10px"
    told = [m for m in browser.messages if m.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert told == []
    # A script that gets in all the same is refused.
    browser.value(
        "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)"
    )
    assert browser.value("document.title") == "Labels: helpful"
