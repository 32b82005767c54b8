"""Tokens: exact o200k_base counts of texts and messages, from the vocabulary in the bpe-openai wheel, offline."""

import gzip
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import tiktoken

# tiktoken keeps these behind a function that downloads, so they are repeated here; a test compares the counts
# with the second implementation of the same encoding, the one in bpe-openai.
WORD_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
SPECIAL_TOKENS = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}
# tiktoken's word pattern overflows on a million spaces and then panics past every `except Exception`; what a person
# typed must not end a worker, so longer texts are encoded in pieces.
LONGEST_PIECE = 100_000
# The service wraps each message in three tokens of its own, and opens the answer with three more.
TOKENS_PER_MESSAGE = 3
TOKENS_OF_OPENING = 3


@cache
def load_encoding() -> tiktoken.Encoding:
    """The o200k_base encoding; the first call takes about half a second and 90 MB, the later ones nothing.

    Read as a file of the installed wheel rather than imported: importing bpe_openai builds three vocabularies.
    """
    packed = Path(str(distribution("bpe-openai").locate_file("bpe_openai/data/o200k_base.tiktoken.gz")))
    ranks = {}
    for line in gzip.decompress(packed.read_bytes()).splitlines():
        token, rank = line.split()
        ranks[a2b_base64(token)] = int(rank)
    return tiktoken.Encoding("o200k_base", pat_str=WORD_PATTERN, mergeable_ranks=ranks, special_tokens=SPECIAL_TOKENS)


def encode_text(text: str) -> list[int]:
    """The o200k_base tokens of `text`; names of special tokens in it are the plain text they look like.

    Exact up to LONGEST_PIECE characters; beyond that each cut, made at a line's end where there is one, may cost a
    token more.
    """
    tokens: list[int] = []
    start = 0
    while start < len(text):
        end = start + LONGEST_PIECE
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        tokens += load_encoding().encode_ordinary(text[start:end])
        start = end
    return tokens


def count_tokens(text: str) -> int:
    """Number of o200k_base tokens of `text`."""
    return len(encode_text(text))


def clip_text(text: str, *, max_tokens: int) -> tuple[str, int]:
    """The text of the first `max_tokens` tokens, without half a character at its end, and how many tokens that is."""
    tokens = encode_text(text)
    kept = tokens[:max_tokens]
    if len(kept) == len(tokens):
        return text, len(tokens)
    return load_encoding().decode(kept, errors="ignore"), len(kept)


def count_message_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """Prompt tokens of a chat, counted as the service counts them: texts, roles, names and the wrapping."""
    wrapping = TOKENS_PER_MESSAGE * len(messages) + TOKENS_OF_OPENING
    return wrapping + sum(_count_message(message) for message in messages)


def text_of(content: object) -> str:
    """A message's content as one text: either a string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


def _count_message(message: Mapping[str, Any]) -> int:
    # A name costs one token more than its text, for the mark that it is a name.
    name = message.get("name")
    named = count_tokens(str(name)) + 1 if name else 0
    return count_tokens(str(message.get("role", ""))) + count_tokens(text_of(message.get("content"))) + named
