"""Aliases: names stay at the plant, and come back in the answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.aliases import ALIAS, AliasBook, give_aliases, is_worth_hiding, letters_of

BOOK = AliasBook(
    {"Press 2": "MACHINE-A", "Press 20": "MACHINE-B", "M4": "MACHINE-C", "Kowalski": "PERSON-A", "Müller": "PERSON-AB"}
)


class TestMask:
    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("Press 2 stood.", "MACHINE-A stood."),
            ("press 2 and PRESS  2", "MACHINE-A and MACHINE-A"),
            ("Press 20, not Press 2", "MACHINE-B, not MACHINE-A"),
            ("M4 and M40", "MACHINE-C and M40"),
            ("Kowalskiego i KOWALSKI", "PERSON-Aego i PERSON-A"),
            ("KOWALSKIEGO", "PERSON-A_EGO"),
            ("Mu\u0308llers Schicht", "PERSON-ABs Schicht"),
            ("Press 2는", "MACHINE-A는"),
            ("compress 25", "compress 25"),
        ],
    )
    def test_each_name_goes(self, text, masked):
        assert BOOK.mask(text) == masked

    def test_without_names_nothing_changes(self):
        assert AliasBook({}).mask("MACHINE-A") == AliasBook({}).restore("MACHINE-A") == "MACHINE-A"


class TestRestore:
    @pytest.mark.parametrize(
        ("answer", "restored"),
        [
            ("**MACHINE-A** lost most", "**Press 2** lost most"),
            ("Machine-A, MACHINE\u2011B", "Press 2, Press 20"),
            ("PERSON-Aego, PERSON-ABs", "Kowalskiego, Müllers"),
            ("PERSON-A_EGO", "KowalskiEGO"),
            ("MACHINE-ZZ was best", "MACHINE-ZZ (?) was best"),
            ("line-up, MACHINE-made", "line-up, MACHINE-made"),
        ],
    )
    def test_names_come_back_and_invented_ones_are_marked(self, answer, restored):
        assert BOOK.restore(answer) == restored

    def test_what_may_become_an_alias_is_held_back(self):
        answer = "First MACHINE-A, then Machine-B and PERSON-AB stopped"
        shown = [BOOK.restore_growing(answer[:end]) for end in range(len(answer) + 1)]
        whole = BOOK.restore(answer)
        assert shown[-1] == whole[: len(shown[-1])]
        assert all(whole.startswith(part) for part in shown)
        assert BOOK.restore_growing(answer + ".") == whole + "."


class TestLeaks:
    @pytest.mark.parametrize(
        "text", ["\uff30ress 2", "Press\u00a02", "Pre\u200bss 2", "K\u2060owalski", "\U0001d40cüller"]
    )
    def test_a_name_in_disguise_is_found(self, text):
        assert BOOK.find_leaks(BOOK.mask(f"see {text} now")) or BOOK.mask(text) != text

    def test_what_was_masked_holds_none(self):
        assert BOOK.find_leaks(BOOK.mask("Press 2, M4 and Kowalski; Müller")) == []


class TestGiving:
    def test_letters_go_on_after_z(self):
        assert [letters_of(number) for number in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]

    def test_new_names_continue_the_row(self):
        assert give_aliases(kind="LINE", names=["x", "y"], taken=25) == {"x": "LINE-Z", "y": "LINE-AA"}

    @pytest.mark.parametrize(
        ("name", "worth"), [("4711", False), ("A", False), ("A1", True), ("", False), ("Öfen", True)]
    )
    def test_codes_of_digits_alone_are_left(self, name, worth):
        assert is_worth_hiding(name) is worth


NAMES = st.lists(
    st.text(alphabet="abcXYZäß 12", min_size=2, max_size=10).map(str.strip).filter(is_worth_hiding),
    min_size=1,
    max_size=5,
    unique_by=lambda name: " ".join(name.split()).casefold(),
)


class TestProperties:
    @settings(deadline=None)
    @given(
        names=NAMES,
        between=st.lists(st.sampled_from([" ", ", ", " and ", ": ", "\n", " 78 % "]), min_size=6, max_size=6),
    )
    def test_what_was_masked_comes_back(self, names, between):
        names = [" ".join(name.split()) for name in names]
        book = AliasBook(give_aliases(kind="MACHINE", names=names, taken=0))
        text = "".join(part for pair in zip(names, between, strict=False) for part in pair)
        masked = book.mask(text)
        assert book.find_leaks(masked) == []
        assert book.restore(masked).casefold() == text.casefold()

    @settings(deadline=None)
    @given(st.text(max_size=60))
    def test_any_answer_is_restored_without_harm(self, answer):
        restored = BOOK.restore(answer)
        assert restored == answer or ALIAS.search(answer)
