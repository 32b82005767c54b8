"""Guard: every number of an answer held against the figures that were sent, and judged.

Found: it is one of them, within the rounding that the number itself shows. Derived: it follows from figures that the
same sentence names or cites. Contradicted: the figures say otherwise. Unknown: it is not there at all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analyses.days import judge_days
from analyses.derivations import derive
from analyses.evidence import POINTS, Evidence, Fact, Figure, What, gather_evidence
from analyses.reading import Kind, Meant, Said, read_text
from analyses.verdicts import CONTRADICTED, DERIVED, FOUND, NOT_THERE, VERDICTS, Verdict
from analyses.words import ABOUT, BY, FALLING, LABELS, RISING

SENTENCE_END = re.compile(r"(?<=[.!?。])\s+(?=[^\W\d_*#|-])|\n+")
CITED = re.compile(r"\bF\d+\b")
CLAUSE_END = re.compile(r"[,;:(]\s")
LABEL_ENDS = re.compile(r"[,;]\s|\(")
AFTER = re.compile(r"[^\d,.;:()]{0,20}")
# So far before a number its label stands: `OEE was then only 78 %`.
LABEL_REACH = 40
LABEL_OF = {word: key for key, words in LABELS.items() for word in words}
LABEL = re.compile("|".join(sorted(map(re.escape, LABEL_OF), key=len, reverse=True)), re.IGNORECASE)
UNITS_OF_ROWS = (60.0, 3600.0, 1.0)
# Nearly every such number stands somewhere: in a sentence that cites facts it must stand in one of them.
SMALL = 20
QUOTED = "quoted"
TINY = 1e-9


@dataclass(frozen=True)
class Sentence:
    """A sentence: its text and place, the facts it cites, and those about a name in it; `is_row`: of a table."""

    text: str
    start: int
    cited: tuple[Fact, ...]
    named: tuple[Fact, ...]

    @property
    def is_row(self) -> bool:
        return self.text.lstrip().startswith("|")

    def holds(self, said: Said) -> bool:
        """Whether that number stands in this sentence."""
        return self.start <= said.start < self.start + len(self.text)

    def before(self, said: Said) -> str:
        """The sentence up to that number."""
        return self.text[: said.start - self.start]

    def clause(self, said: Said) -> str:
        """The part of the sentence, between commas, in which the number stands."""
        at = said.start - self.start
        start = max((found.end() for found in CLAUSE_END.finditer(self.text, 0, at)), default=0)
        following = CLAUSE_END.search(self.text, said.end - self.start)
        return self.text[start : following.start() if following else len(self.text)]


def check_numbers(*, answer: str, facts: Sequence[Mapping[str, Any]], given: str) -> dict[str, Any]:
    """The `numbers` object of an analysis: counts, and a mark for each number of the answer.

    `facts` are {"id", "text", "values"}; `given` is the rest of what was sent (period, table, question). A mark is
    {"text", "start", "end", "verdict", "fact", "how"}: `how` tells in short what the number was held against.
    """
    evidence = gather_evidence(facts=facts, given=given)
    said = list(read_text(_without_names(answer, evidence)))
    verdicts = judge_days(said, evidence, answer=answer)
    sentences = list(_split(answer, evidence))
    for sentence in sentences:
        inside = [
            place
            for place, one in enumerate(said)
            if sentence.start <= one.start < sentence.start + len(sentence.text) and place not in verdicts
        ]
        verdicts |= dict(
            zip(inside, _judge_sentence(sentence, [said[place] for place in inside], evidence), strict=True)
        )
    marks = [
        {"text": one.text, "start": one.start, "end": one.end, **verdicts.get(place, NOT_THERE).as_dict()}
        for place, one in enumerate(said)
    ]
    return {**{verdict: sum(mark["verdict"] == verdict for mark in marks) for verdict in VERDICTS}, "marks": marks}


def _without_names(answer: str, evidence: Evidence) -> str:
    """The answer with the names that hold digits blanked: `Press 2` says nothing about two of anything."""
    if not evidence.names:
        return answer
    names = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, evidence.names))})(?![^\W가-힣])")
    return names.sub(lambda found: "_" * len(found.group()), answer)


def _split(answer: str, evidence: Evidence) -> Iterator[Sentence]:
    about = {fact.about.casefold(): fact for fact in evidence.facts.values() if len(fact.about) > 1}
    start = 0
    for end in [*(found.span() for found in SENTENCE_END.finditer(answer)), (len(answer), len(answer))]:
        text = answer[start : end[0]]
        cited = [evidence.facts[name] for name in dict.fromkeys(CITED.findall(text)) if name in evidence.facts]
        folded = text.casefold()
        named = [fact for name, fact in about.items() if name in folded]
        yield Sentence(text, start, tuple(cited), tuple(fact for fact in named if fact not in cited))
        start = end[1]


def _judge_sentence(sentence: Sentence, said: Sequence[Said], evidence: Evidence) -> list[Verdict]:
    """The verdicts of its numbers: first those that were sent, then what follows from these."""
    labels = [_label(one, sentence, said) for one in said]
    matches = [_match(one, label, sentence, evidence) for one, label in zip(said, labels, strict=True)]
    verdicts = []
    for one, match, label in zip(said, matches, labels, strict=True):
        others = [figure for figure in matches if figure is not None and figure is not match]
        verdicts.append(_judge(one, match, label, others, sentence, evidence))
    return verdicts


def _judge(
    said: Said, match: Figure | None, label: str, others: Sequence[Figure], sentence: Sentence, evidence: Evidence
) -> Verdict:
    own = {fact.id for fact in (*sentence.cited, *sentence.named)}
    if match is not None and (not label or (match.fact in own and _is_called(match, said, sentence))):
        if _is_wrong_way(match, sentence.clause(said)):
            return Verdict(CONTRADICTED, match.fact, f"{match.fact} says the opposite")
        return Verdict(FOUND, match.fact)
    # What two facts come to together is not what either of them says.
    if len(sentence.cited) > 1 and label and (together := _derive(said, (), sentence)):
        return together
    if contradiction := _find_contradiction(said, match, label, sentence):
        return contradiction
    if match is not None:
        return Verdict(FOUND, match.fact, how=match.name if match.name == QUOTED else "")
    return _derive(said, others, sentence) or NOT_THERE


def _derive(said: Said, others: Sequence[Figure], sentence: Sentence) -> Verdict | None:
    for derived in derive(said=others, cited=sentence.cited):
        if _says(said, derived.value, derived.what, is_points=derived.is_points, sentence=sentence):
            return Verdict(DERIVED, how=derived.how)
    return None


# --- found ------------------------------------------------------------------------------------------


def _match(said: Said, label: str, sentence: Sentence, evidence: Evidence) -> Figure | None:
    """The figure that a number is: of a fact that the sentence cites, else names, else of any, else of the table."""
    found = [
        figure
        for what, size, within in _ways(said, sentence)
        for figure in evidence.near(what, size, within + TINY)
        if _fits(said, figure, sentence)
    ]
    cited, named = {fact.id for fact in sentence.cited}, {fact.id for fact in sentence.named}

    def trust(figure: Figure) -> tuple[bool, ...]:
        # Among equals the one of that name, then one with a sign, so that its direction is looked at.
        signed, right = figure.name.endswith("_change"), figure.name == label
        return figure.fact in cited, figure.fact in named, bool(figure.fact), right, signed, bool(figure.name)

    return max(found, key=trust, default=None) or _quote(said, evidence)


def _ways(said: Said, sentence: Sentence) -> Iterator[tuple[What, float, float]]:
    """(what, size, tolerance) of each thing that a number may mean here."""
    for meant in said.meant:
        within = max(meant.within, _rounded_within(said, meant, sentence))
        if said.kind in {Kind.PERCENT, Kind.POINTS}:
            yield What.RATIO, meant.value / 100, within / 100
        elif said.kind == Kind.DURATION:
            yield What.SECONDS, meant.value, within
        else:
            yield What.NUMBER, meant.value, within
            if within < 0.01:
                yield What.RATIO, meant.value, within
            if sentence.is_row:
                # The units of a table stand in its head.
                yield What.RATIO, meant.value / 100, within / 100
                yield from ((What.SECONDS, meant.value * unit, within * unit) for unit in UNITS_OF_ROWS)


def _rounded_within(said: Said, meant: Meant, sentence: Sentence) -> float:
    """How much `about 1,200` leaves open: the zeros at its end are not exact."""
    if said.kind == Kind.DURATION or meant.within < 0.5 or not ABOUT.search(sentence.before(said)):
        return 0.0
    zeros = len(digits := f"{meant.value:.0f}") - len(digits.rstrip("0"))
    return float(0.5 * 10**zeros)


def _fits(said: Said, figure: Figure, sentence: Sentence) -> bool:
    """Percentage points are found as a difference alone; a small count must be of what the sentence speaks of."""
    if said.kind == Kind.POINTS:
        return figure.name == POINTS or figure.name.endswith("_change")
    if said.kind == Kind.PLAIN and figure.what == What.NUMBER and figure.size < SMALL and sentence.cited:
        own = {fact.id for fact in (*sentence.cited, *sentence.named)}
        return figure.fact in own
    return True


def _quote(said: Said, evidence: Evidence) -> Figure | None:
    """The number as the question or the heading has it, as it was written there."""
    for one in evidence.quoted:
        if one.kind == said.kind and (same := set(one.meant) & set(said.meant)):
            value = min(same, key=lambda meant: meant.value).value
            share = said.kind in {Kind.PERCENT, Kind.POINTS}
            what = What.RATIO if share else What.SECONDS if said.kind == Kind.DURATION else What.NUMBER
            return Figure(value / 100 if share else value, what, name=QUOTED)
    return None


def _is_wrong_way(figure: Figure, clause: str) -> bool:
    """Whether a change is told as a rise where it was a fall, or the other way round."""
    if not figure.name.endswith("_change") or not figure.value:
        return False
    rises, falls = RISING.search(clause), FALLING.search(clause)
    if bool(rises) == bool(falls):
        return False
    return bool(rises) != (figure.value > 0)


# --- contradicted -----------------------------------------------------------------------------------


def _label(said: Said, sentence: Sentence, numbers: Sequence[Said]) -> str:
    """What the number is said to be (`oee`, `scrap`): the last such word before it, with no other number between."""
    if said.kind == Kind.POINTS or sentence.is_row:
        return ""
    if said.kind == Kind.PLAIN and (after := _label_after(said, sentence)):
        return after
    before = sentence.before(said)
    if BY.search(before) or ABOUT.search(before):
        return ""
    last = max((one.end for one in numbers if one.end <= said.start), default=0) - sentence.start
    reach = before[max(last, len(before) - LABEL_REACH, 0) :]
    found = list(LABEL.finditer(reach))
    if not found or LABEL_ENDS.search(reach, found[-1].end()):
        return ""
    return LABEL_OF[found[-1].group().casefold()]


def _label_after(said: Said, sentence: Sentence) -> str:
    """What is counted stands behind its number: `45 scrap`, `31 parts of rework`."""
    following = AFTER.match(sentence.text, said.end - sentence.start)
    found = LABEL.search(following.group()) if following else None
    return LABEL_OF[found.group().casefold()] if found else ""


def _is_called(figure: Figure, said: Said, sentence: Sentence) -> bool:
    """Whether the sentence has named what the figure is, up to the number: a list of words may stand before theirs."""
    stem = figure.name.removesuffix("_change").removesuffix("_before")
    named = {LABEL_OF[found.group().casefold()] for found in LABEL.finditer(sentence.before(said))}
    return stem not in LABELS or stem in named or stem == _label_after(said, sentence)


def _find_contradiction(said: Said, match: Figure | None, label: str, sentence: Sentence) -> Verdict | None:
    """The figure of that label in the facts that the sentence cites, or names, where it is another than was said."""
    if not label:
        return None
    # Without a citation the name decides, unless it is the same quantity of something else that is meant.
    facts = sentence.cited or (sentence.named if match is None or match.name != label else ())
    right = [figure for fact in facts for figure in fact.figures if figure.name == label]
    what = {What.RATIO: Kind.PERCENT, What.SECONDS: Kind.DURATION}
    if not right or any(what.get(figure.what, Kind.PLAIN) != said.kind for figure in right):
        return None
    return Verdict(CONTRADICTED, right[0].fact, f"{right[0].fact} says otherwise")


# --- derived ----------------------------------------------------------------------------------------


def _says(said: Said, value: float, what: What, *, is_points: bool, sentence: Sentence) -> bool:
    if said.kind == Kind.POINTS and not is_points:
        return False
    return any(kind == what and abs(size - abs(value)) <= within + TINY for kind, size, within in _ways(said, sentence))
