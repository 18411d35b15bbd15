"use strict";
(() => {
  const items = [...document.querySelectorAll(".item")];
  const sheet = document.body.dataset.sheet;
  const place = `abtest-labels-${sheet}`;
  const by = (id) => document.getElementById(id);
  let current = 0;

  const noteOf = (item) => item.querySelector("textarea");
  const labelOf = (item) => {
    const chosen = item.querySelector("input[type=radio]:checked");
    const written = item.querySelector("input.number");
    return chosen ? chosen.value : written ? written.value.trim() : "";
  };

  function load() {
    try {
      const kept = JSON.parse(localStorage.getItem(place) || "{}");
      by("labeller").value = String(kept.labeller || "");
      for (const item of items) {
        const said = (kept.labels || {})[item.id];
        if (!said) continue;
        noteOf(item).value = String(said.note || "");
        const written = item.querySelector("input.number");
        if (written) written.value = String(said.label || "");
        for (const radio of item.querySelectorAll("input[type=radio]")) radio.checked = radio.value === said.label;
      }
    } catch (error) {
      by("kept").textContent = "This browser keeps nothing: save before you close the page.";
    }
  }

  function keep() {
    const labels = {};
    for (const item of items) labels[item.id] = { label: labelOf(item), note: noteOf(item).value };
    try {
      localStorage.setItem(place, JSON.stringify({ labeller: by("labeller").value, labels }));
      by("kept").textContent = "Kept in this browser.";
    } catch (error) {
      by("kept").textContent = "This browser keeps nothing: save before you close the page.";
    }
    count();
  }

  function count() {
    const done = items.filter((item) => labelOf(item) !== "").length;
    by("progress").value = done;
    by("count").textContent = `${done} of ${items.length} labelled`;
    by("save").disabled = done === 0 || by("labeller").value.trim() === "";
  }

  function show(index, focus) {
    current = Math.max(0, Math.min(items.length - 1, index));
    items.forEach((item, position) => { item.hidden = position !== current; });
    by("back").disabled = current === 0;
    by("next").disabled = current === items.length - 1;
    if (focus) {
      window.scrollTo(0, 0);
      items[current].focus();
    }
  }

  function save() {
    const labeller = by("labeller").value.trim();
    const lines = items
      .filter((item) => labelOf(item) !== "")
      .map((item) => JSON.stringify({ sheet, labeller, item: item.id, label: labelOf(item), note: noteOf(item).value }));
    const url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/x-ndjson" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `labels-${sheet}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  function onKey(event) {
    const target = event.target;
    const typing = target.tagName === "TEXTAREA" || (target.tagName === "INPUT" && target.type === "text");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const radio = [...items[current].querySelectorAll("input[type=radio]")].find((one) => one.dataset.key === key);
    if (radio) {
      radio.checked = true;
      radio.focus();
      keep();
    } else if (key === "j" || (key === "enter" && target.tagName !== "BUTTON")) {
      show(current + 1, true);
    } else if (key === "k") {
      show(current - 1, true);
    } else if (key === "n") {
      noteOf(items[current]).focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  document.addEventListener("input", keep);
  document.addEventListener("keydown", onKey);
  by("back").addEventListener("click", () => show(current - 1, true));
  by("next").addEventListener("click", () => show(current + 1, true));
  by("save").addEventListener("click", save);
  load();
  count();
  const first = items.findIndex((item) => labelOf(item) === "");
  show(first < 0 ? 0 : first, false);
  by("tools").hidden = false;
})();
