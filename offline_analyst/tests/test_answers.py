"""Answers quote the facts and never say a number of their own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline_analyst.answers import choose_standing_out, find_answering, topic_of, write_answer
from offline_analyst.languages import PHRASES
from offline_analyst.reading import Fact, read_prompt

from .conftest import FACTS, ask

FACT_LIST = read_prompt(ask()).facts
LANGUAGES = sorted(PHRASES)


def numbers_in(text):
    return set(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"\[F\d+\]", "", text)))


def ids(facts):
    return [fact.id for fact in facts]


class TestWriteAnswer:
    def test_it_writes_this_report(self):
        assert write_answer(read_prompt(ask())) == (
            "## What the figures say\n\n"
            "### What stands out\n\n"
            "- **Effectiveness:** OEE was 61.3 % in the period yesterday: availability 78.0 %, performance 84.2 %, "
            "quality 93.3 %. [F1]\n"
            "- **Change:** Against the day before: OEE -5.1 percentage points (was 66.4 %), availability "
            "+0.4 percentage points (was 77.6 %). [F2]\n"
            "- **Scrap and rework:** Pieces: 4,310 produced, good 4,170, scrap 120, rework not recorded. "
            "The scrap ratio was 2.8 %. [F3]\n"
            "- **Down time:** Down time by reason, place 1: Jam with 5 h 12 min in 42 stops, 31.0 % of all down time "
            "and micro-stops. [F6]\n"
            "- **Where:** M4: OEE 41.2 % (availability 51.0 %, performance 86.0 %), pieces good 840, scrap 71, "
            "down 9 h in 60 stops. [F8]\n"
            "- **About the data:** Warning: Performance of M3 is 104.0 %: an ideal cycle is too long, or a count is "
            "wrong. [F12]\n\n"
            "### Where to look first\n\n"
            "- Settle this point about the data before acting on the other figures. [F12]\n"
            "- Begin with this loss: ask the people at the machine what happened during its longest stops. [F6]\n"
            "- Look here first, and compare how it was run with the others beside it. [F8]\n\n"
            "*Written by rule from the facts; no language model was used.*\n"
        )

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_it_puts_the_facts_into_every_language(self, language):
        answer = write_answer(read_prompt(ask("What about jam?", language=language)))
        phrases = PHRASES[language]
        for sentence in (phrases.headline, phrases.asked, phrases.stands_out, phrases.look_first, phrases.closing):
            assert sentence in answer
        assert "place 1: Jam with 5 h 12 min in 42 stops, 31.0 % of all down time and micro-stops. [F6]" in answer
        assert numbers_in(answer) <= numbers_in(FACTS)

    def test_it_answers_in_english_where_it_does_not_speak_the_language(self):
        assert write_answer(read_prompt(ask(language="fr"))) == write_answer(read_prompt(ask(language="en")))

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_it_says_when_there_are_no_facts(self, language):
        phrases = PHRASES[language]
        assert write_answer(read_prompt(ask("Hello!", facts="", language=language))) == (
            f"{phrases.no_facts}\n\n*{phrases.closing}*\n"
        )

    def test_it_says_when_no_fact_answers_the_question(self):
        answer = write_answer(read_prompt(ask("Will it rain in Lisbon?")))
        assert PHRASES["en"].no_match in answer
        assert "OEE was 61.3 %" in answer

    def test_it_takes_a_question_for_everything_as_answered_by_the_report(self):
        assert write_answer(read_prompt(ask("Zusammenfassung bitte"))) == write_answer(read_prompt(ask()))

    @given(
        texts=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1), max_size=15),
        question=st.text(max_size=50),
        language=st.sampled_from(LANGUAGES),
    )
    def test_it_never_invents_a_number(self, texts, question, language):
        facts = [Fact(f"F{number}", " ".join(text.split()) or "-") for number, text in enumerate(texts, 1)]
        asked = ask(question, facts="\n".join(f"{fact.id}: {fact.text}" for fact in facts), language=language)
        quoted = {f"{fact.text} [{fact.id}]" for fact in facts}
        bullets = [line for line in write_answer(read_prompt(asked)).splitlines() if line.startswith("- **")]
        assert {bullet.split(":** ", 1)[1] for bullet in bullets} <= quoted
        for line in set(write_answer(read_prompt(asked)).splitlines()) - set(bullets):
            assert not numbers_in(line)


class TestPhrases:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_it_has_a_sentence_for_everything_and_no_numeral_in_any(self, language):
        phrases = PHRASES[language]
        assert phrases.topics.keys() == PHRASES["en"].topics.keys()
        assert phrases.advice.keys() == PHRASES["en"].advice.keys()
        said = [*vars(phrases).values(), *phrases.topics.values(), *phrases.advice.values()]
        assert not re.search(r"\d", " ".join(text for text in said if isinstance(text, str)))

    @pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
    def test_it_leaves_nothing_in_english(self, language):
        ours, english = vars(PHRASES[language]), vars(PHRASES["en"])
        assert [name for name in ours if ours[name] == english[name]] == []


class TestTopicOf:
    @pytest.mark.parametrize(
        ("text", "topic"),
        [
            ("OEE was 61.3 % in the period today: availability 78.0 %", "oee"),
            ("There is no OEE for the period today: no shift.", "data"),
            ("Against yesterday: OEE +1.0 percentage points (was 60.3 %)", "change"),
            ("The worst OEE of the trend was 41 %, at 14:00.", "change"),
            ("Pieces: 120 produced, good not recorded, scrap 3.", "scrap"),
            ("Pieces are not recorded.", "data"),
            ("Unplanned down time was 3 h in 4 stops.", "stops"),
            ("Down time by reason, place 1: No contact with 3 h", "stops"),
            ("Press 4: OEE 41.2 %, pieces good 840, scrap 71, down 9 h", "place"),
            ("Lowest OEE: machine M4, 41.2 %", "place"),
            ("2.0 % of planned busy time (1 h) was without contact.", "data"),
            ("Warning: scrap of machine M2 is too high", "data"),
            ("The newest event is of Mon 2 Mar 2026 09:30.", "fresh"),
            ("Set-up took 3 h in 5 set-ups.", "stops"),
            ('Downtime of "scrap conveyor": 2 h', "stops"),
            ("Orders: 12", "other"),
        ],
    )
    def test_it_tells_what_a_fact_is_about(self, text, topic):
        assert topic_of(Fact("F1", text)) == topic


class TestChooseStandingOut:
    def test_it_chooses_at_most_six_in_the_portals_order(self):
        assert ids(choose_standing_out(FACT_LIST)) == ["F1", "F2", "F3", "F6", "F8", "F12"]

    def test_it_fills_up_to_three_with_what_there_is(self):
        facts = [Fact(f"F{number}", f"Produced on day {number}: many") for number in range(1, 6)]
        assert ids(choose_standing_out(facts)) == ["F1", "F2", "F3"]


class TestFindAnswering:
    @pytest.mark.parametrize(
        ("question", "best"),
        [
            ("What about the jam?", "F6"),
            ("How is M4 doing?", "F8"),
            ("Which machine is worst?", "F8"),
            ("Can I trust the data?", "F12"),
            ("What was the reason?", "F6"),
            ("How much scrap did we make?", "F3"),
            ("Wie hoch war der Ausschuss?", "F3"),
            ("Ile było braków?", "F3"),
            ("Сколько брака?", "F3"),
            ("불량은 얼마나 되나요?", "F3"),
            ("Vergleich mit dem Vortag", "F2"),
        ],
    )
    def test_it_puts_the_fact_that_shares_the_rarest_words_first(self, question, best):
        assert ids(find_answering(facts=FACT_LIST, question=question))[0] == best

    def test_it_does_not_take_m1_for_m12(self):
        facts = [Fact("F1", "OEE of machine M12: 50 %"), Fact("F2", "OEE of machine M1: 60 %")]
        assert ids(find_answering(facts=facts, question="M1?")) == ["F2"]

    @pytest.mark.parametrize("question", ["", "  \n", "Will it rain in Lisbon?"])
    def test_it_finds_nothing_where_no_word_is_shared(self, question):
        assert find_answering(facts=FACT_LIST, question=question) == []
