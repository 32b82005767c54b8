"""Tokens: counted as the service counts them, whatever the text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.tokens import count_message_tokens, count_tokens
from offline_analyst.tokens import count_message_tokens as counted_by_the_service
from offline_analyst.tokens import count_tokens as counted_by_tiktoken


class TestCountTokens:
    @settings(deadline=None)  # the first call loads the vocabulary
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_two_implementations_agree(self, text):
        assert count_tokens(text) == counted_by_tiktoken(text)

    @pytest.mark.parametrize(("text", "tokens"), [("", 0), ("78.0 %", 4), ("<|endoftext|>", 7)])
    def test_it_counts(self, text, tokens):
        assert count_tokens(text) == tokens

    def test_a_half_character_does_not_stop_it(self):
        assert count_tokens("\ud83d") > 0

    @settings(deadline=None)  # the first call loads the vocabulary
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
    def test_a_chat_is_counted_with_its_wrapping(self, texts):
        messages = [{"role": "user", "content": text} for text in texts]
        assert count_message_tokens(messages) == counted_by_the_service(messages)
