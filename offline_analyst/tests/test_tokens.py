"""Tokens are counted as the service counts them, without a network."""

import gzip
import hashlib
import warnings
from importlib.metadata import distribution

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline_analyst.tokens import LONGEST_PIECE, clip_text, count_message_tokens, count_tokens, encode_text, text_of

# The example of the service's own cookbook, for which it publishes 124 prompt tokens on o200k_base models.
COOKBOOK = [
    (
        "system",
        "",
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    ),
    ("system", "example_user", "New synergies will help drive top-line growth."),
    ("system", "example_assistant", "Things working well together will increase revenue."),
    (
        "system",
        "example_user",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ),
    ("system", "example_assistant", "Let's talk later when we're less busy about how to do better."),
    ("user", "", "This late pivot means we don't have time to boil the ocean for the client deliverable."),
]


@pytest.fixture(scope="module")
def second_opinion():
    """The other implementation of the same encoding."""
    with warnings.catch_warnings():
        # It reads its data by a function that Python has deprecated; that is theirs to mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        import bpe_openai
    return bpe_openai.get_encoding("o200k_base")


class TestCountTokens:
    @given(text=st.text(st.characters(exclude_categories=["Cs"])))
    def test_it_agrees_with_the_second_implementation(self, text, second_opinion):
        assert encode_text(text) == second_opinion.encode_ordinary(text)

    @pytest.mark.parametrize(
        "text",
        ["", "OEE 61.3 %, 4,310 pieces", "Größe: 5 h 12 min", "설비가 멈췄습니다.", "Станок остановлен", "A" * 20_000],
    )
    def test_it_agrees_on_the_languages_of_the_portal(self, text, second_opinion):
        assert count_tokens(text) == len(second_opinion.encode_ordinary(text))

    def test_it_stays_exact_where_a_long_text_has_lines(self, second_opinion):
        text = "F1: OEE of all machines: 61.3 %.\n" * 9_000
        assert len(text) > 2 * LONGEST_PIECE
        assert encode_text(text) == second_opinion.encode_ordinary(text)

    def test_it_survives_a_million_spaces(self):
        assert 0 < count_tokens(" " * 1_000_000) < 10_000

    def test_it_reads_the_names_of_special_tokens_as_plain_text(self):
        assert count_tokens("<|endoftext|>") > 1

    def test_its_vocabulary_is_the_one_the_service_publishes(self):
        packed = distribution("bpe-openai").locate_file("bpe_openai/data/o200k_base.tiktoken.gz").read_bytes()
        assert (
            hashlib.sha256(gzip.decompress(packed)).hexdigest()
            == "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
        )


class TestCountMessageTokens:
    def test_it_gives_the_figure_the_service_publishes(self):
        messages = [
            {"role": role, "content": content} | ({"name": name} if name else {}) for role, name, content in COOKBOOK
        ]
        assert count_message_tokens(messages) == 124

    def test_it_counts_text_parts_like_one_text(self):
        whole = [{"role": "user", "content": "down time by reason"}]
        parts = [{"type": "text", "text": "down time"}, {"type": "image_url"}, {"type": "text", "text": " by reason"}]
        assert count_message_tokens([{"role": "user", "content": parts}]) == count_message_tokens(whole)

    def test_it_takes_an_empty_content_for_no_text(self):
        assert text_of(None) == ""


class TestClipText:
    @given(text=st.text(st.characters(exclude_categories=["Cs"])), limit=st.integers(1, 20))
    def test_it_keeps_a_beginning_of_at_most_that_many_tokens(self, text, limit):
        kept, spent = clip_text(text, max_tokens=limit)
        assert text.startswith(kept)
        assert spent == min(limit, count_tokens(text))

    def test_it_leaves_out_half_a_character(self):
        whole = "\U0001f9ff"
        assert count_tokens(whole) > 1
        assert clip_text(whole, max_tokens=1) == ("", 1)
