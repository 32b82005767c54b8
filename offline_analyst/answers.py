"""Answers: a prompt's facts, chosen by rule and quoted word for word, as a short markdown report."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from offline_analyst.languages import ENGLISH, GLOSSARY, OVERVIEW_STEMS, PHRASES, Phrases
from offline_analyst.reading import Fact, Prompt

# The first sign that fits tells a fact's topic. Names come from the plant, and a reason may be called "Missing part",
# so the openings of the portal's sentences come before words that may stand anywhere in them.
SIGNS = (
    ("change", r"^against\b|percentage points?|of the trend\b"),
    ("stops", r"^down ?time\b|^unplanned down ?time\b|^no unplanned stop"),
    ("fresh", r"^the newest event|counted up to now"),
    ("data", r"^warning\b"),
    ("place", r": oee\b|\b(lowest|worst|weakest)\b"),
    ("data", r"^there is no oee|are not recorded|nothing was reported|(no|without) contact|quarantin"),
    ("place", r"\bmachine\b"),
    ("scrap", r"scrap|reject|rework|defect"),
    ("stops", r"\bdown\b|down ?time|stop(s|ped)?\b|breakdown|set-?up|\bidle\b|reason"),
    ("oee", r"\boee\b|effectiveness|availability|performance|quality"),
    ("change", r"previous|compared|changed?\b|\brose\b|\bfell\b"),
)
# Where a topic has facts of both kinds, the ones that name a culprit are shown before the totals.
CULPRITS = {"stops": r"\breason\b", "place": r"\b(lowest|worst|weakest)\b"}
# What a report picks first when there is more than it shows; the second reason for stopping is the first to go.
STANDING_OUT = ("oee", "data", "stops", "place", "scrap", "change", "stops")
ADVISING = ("data", "stops", "place", "scrap", "change", "oee")
MOST_BULLETS = 6
LEAST_BULLETS = 3
MOST_ADVICE = 3
MOST_ANSWERING = 4
# Characters of a question that are compared with the facts; a page pasted in must not hold up the other answers.
LONGEST_QUESTION = 2_000
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be been by can did do does for from had has have how i in is it its me my of on or our "
        "per please than that the their them there these they this those to us was we were what when where which who "
        "whom whose why will with you your all most much many more last tell show give about into out",
    )
)


def write_answer(prompt: Prompt) -> str:
    """The whole report in the prompt's language (English where we do not speak it).

    Quotes the facts with their references and adds no number of its own.
    """
    phrases = PHRASES.get(prompt.language, ENGLISH)
    if not prompt.facts:
        return f"{phrases.no_facts}\n\n*{phrases.closing}*\n"
    answering = find_answering(facts=prompt.facts, question=prompt.question)
    parts = [f"## {phrases.headline}"]
    if answering:
        parts.append(f"### {phrases.asked}\n\n{_quote_all(answering, phrases)}")
    elif prompt.question.strip() and not asks_for_overview(prompt.question):
        parts.append(f"### {phrases.asked}\n\n{phrases.no_match}")
    standing = [fact for fact in choose_standing_out(prompt.facts) if fact not in answering]
    if standing:
        parts.append(f"### {phrases.stands_out}\n\n{_quote_all(standing, phrases)}")
    advice = _advise(answering or prompt.facts, phrases) or _advise(prompt.facts, phrases)
    if advice:
        parts.append(f"### {phrases.look_first}\n\n{advice}")
    parts.extend([*([phrases.quoted] if phrases.quoted else []), f"*{phrases.closing}*"])
    return "\n\n".join(parts) + "\n"


@lru_cache(maxsize=4096)
def topic_of(fact: Fact) -> str:
    """What a fact is about: a topic of SIGNS, or "other". Quoted names do not count."""
    words = re.sub(r'"[^"]*"', "", fact.text).lower()
    return next((topic for topic, sign in SIGNS if re.search(sign, words)), "other")


def choose_standing_out(facts: Sequence[Fact]) -> list[Fact]:
    """Three to six facts (fewer if there are no more), one or two per topic, in the portal's order of importance."""
    chosen: list[Fact] = []
    for topic in STANDING_OUT:
        left = [fact for fact in facts if fact not in chosen and topic_of(fact) == topic]
        if left:
            chosen.append(min(left, key=_names_no_culprit))
    for fact in facts:
        if len(chosen) < LEAST_BULLETS and fact not in chosen:
            chosen.append(fact)
    return sorted(chosen[:MOST_BULLETS], key=facts.index)


def find_answering(*, facts: Sequence[Fact], question: str) -> list[Fact]:
    """The facts that share most words with the question, best first; a word few facts have counts for more."""
    asked = _asked_words(question)
    if not asked:
        return []
    words_of = {fact: _words(fact.text) | {f"#{topic_of(fact)}"} for fact in facts}
    spread = Counter(word for words in words_of.values() for word in words)
    shared = {word for word in spread if any(_alike(word, other) for other in asked)}
    scores = {fact: sum(1 / spread[word] for word in words & shared) for fact, words in words_of.items()}
    best = max(scores.values(), default=0)
    ranked = sorted(facts, key=lambda fact: -scores[fact])
    return [fact for fact in ranked if scores[fact] > 0 and scores[fact] >= best / 2][:MOST_ANSWERING]


def asks_for_overview(question: str) -> bool:
    """Whether the question asks for the whole picture rather than for one thing."""
    return any(stem in question.lower() for stem in OVERVIEW_STEMS)


def _asked_words(question: str) -> set[str]:
    # A word of the glossary stands for its topic alone: "machine" asks for the machines, not for that word.
    sought: set[str] = set()
    for word in _words(question[:LONGEST_QUESTION]):
        meant = [terms for terms, stems in GLOSSARY.items() if any(stem in word for stem in stems)]
        sought.update(" ".join(meant).split() or [word])
    return sought


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w[\w\-]*", text.lower()) if word not in STOP_WORDS and len(word) > 1}


def _alike(word: str, other: str) -> bool:
    # "stop" asks for "stops" and "stopped"; short words must be equal, or M1 would ask for M12.
    short, long = sorted((word, other), key=len)
    return short == long or (len(short) >= 4 and short.isalpha() and long.startswith(short))


def _names_no_culprit(fact: Fact) -> bool:
    # False sorts first: a fact that names a culprit.
    sign = CULPRITS.get(topic_of(fact))
    return sign is not None and not re.search(sign, fact.text.lower())


def _quote_all(facts: Sequence[Fact], phrases: Phrases) -> str:
    return "\n".join(f"- **{phrases.topics[topic_of(fact)]}:** {fact.text} [{fact.id}]" for fact in facts)


def _advise(facts: Sequence[Fact], phrases: Phrases) -> str:
    first: dict[str, Fact] = {}
    for fact in sorted(facts, key=_names_no_culprit):
        first.setdefault(topic_of(fact), fact)
    chosen = [topic for topic in ADVISING if topic in first][:MOST_ADVICE]
    return "\n".join(f"- {phrases.advice[topic]} [{first[topic].id}]" for topic in chosen)
