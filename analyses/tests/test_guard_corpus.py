"""The corpus: sentences in five languages with the verdict of a careful reader, and how often the guard agrees."""

import re
from pathlib import Path

import pytest

from analyses.guard import check_numbers
from analyses.tests.sent import FACTS, GIVEN

CORPUS = Path(__file__).parent / "guard_corpus"
MARKED = re.compile(r"\{([^{}|]*)\|(found|derived|unknown|contradicted)\}")
CONFIRMED = {"found", "derived"}


def sentences(language):
    """(text, [(start, end, verdict)]) of each line."""
    for line in (CORPUS / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        text, expected, reached = "", [], 0
        for mark in MARKED.finditer(line):
            text += line[reached : mark.start()]
            expected.append((len(text), len(text) + len(mark[1]), mark[2]))
            text, reached = text + mark[1], mark.end()
        yield text + line[reached:], expected


def judge(text, expected):
    """(expected verdict or None, the guard's or None) of each number that either of both sees."""
    marks = check_numbers(answer=text, facts=FACTS, given=GIVEN)["marks"]
    pairs, seen = [], set()
    for start, end, verdict in expected:
        inside = [mark for mark in marks if start <= mark["start"] < end]
        seen |= {id(mark) for mark in inside}
        found = {mark["verdict"] for mark in inside}
        pairs.append((verdict, found.pop() if len(found) == 1 else None, text[start:end]))
    pairs += [(None, mark["verdict"], mark["text"]) for mark in marks if id(mark) not in seen]
    return pairs


def measure(languages):
    """How far the guard agrees: precision and recall of `confirmed`, and of `contradicted`."""
    pairs = [pair for language in languages for sentence in sentences(language) for pair in judge(*sentence)]
    right = sum(expected in CONFIRMED and judged in CONFIRMED for expected, judged, _ in pairs)
    said = sum(judged in CONFIRMED for _, judged, _ in pairs)
    due = sum(expected in CONFIRMED for expected, _, _ in pairs)
    wrong = sum(expected == judged == "contradicted" for expected, judged, _ in pairs)
    return {
        "numbers": len(pairs),
        "precision": right / said,
        "recall": right / due,
        "contradictions found": wrong / sum(expected == "contradicted" for expected, _, _ in pairs),
        "contradictions right": wrong / sum(judged == "contradicted" for _, judged, _ in pairs),
    }


LANGUAGES = sorted(path.stem for path in CORPUS.glob("*.txt"))


class TestCorpus:
    def test_it_is_large_enough_in_each_language(self):
        assert LANGUAGES == ["de", "en", "ko", "pl", "ru"]
        counts = {language: len(list(sentences(language))) for language in LANGUAGES}
        assert sum(counts.values()) >= 300
        assert min(counts.values()) >= 50

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_no_language_falls_behind(self, language):
        measured = measure([language])
        assert measured["precision"] >= 0.96
        assert measured["recall"] >= 0.93

    def test_the_guard_agrees_with_a_careful_reader(self):
        measured = measure(LANGUAGES)
        assert measured["precision"] >= 0.98
        assert measured["recall"] >= 0.95


if __name__ == "__main__":
    for name in [*LANGUAGES, *([LANGUAGES] if LANGUAGES else [])]:
        print(name, measure([name] if isinstance(name, str) else name))  # noqa: T201 - the command prints them
