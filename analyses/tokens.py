"""Tokens: how many a text or a chat costs, counted exactly and offline; the one place that knows the encoding."""

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

# The service wraps each message in three tokens of its own, and opens the answer with three more.
TOKENS_PER_MESSAGE = 3
TOKENS_OF_OPENING = 3


@cache
def _load_counter() -> Any:
    # Imported here because it takes a second and 70 MB, which processes that never ask should not pay. The compiled
    # counter itself is ten times as fast as the wrapper around it; names of special tokens count as plain text.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of importlib.resources, inside the package
        from bpe_openai._bindings import tokenizer_for_encoding

    return tokenizer_for_encoding("o200k_base")


def count_tokens(text: str) -> int:
    """Number of o200k_base tokens of `text`; unknown models are counted alike, which is near enough for a limit."""
    count: int = _load_counter().count(text.encode("utf-8", "replace").decode())
    return count


def count_message_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """Prompt tokens of a chat as the service counts them: texts, roles and the wrapping."""
    texts = sum(count_tokens(message["role"]) + count_tokens(message["content"]) for message in messages)
    return TOKENS_PER_MESSAGE * len(messages) + TOKENS_OF_OPENING + texts
