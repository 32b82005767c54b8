"""Naming: with aliases on, no name of the plant is in a request, and every name is in the answer."""

import json
import re

import pytest

from analyses.asking import NameLeft
from analyses.models import Alias, AssistantSettings
from analyses.naming import read_book
from analyses.pulse import Pulse
from analyses.tests.test_runs import work
from offline_analyst.process import clear_log, read_log
from production.models import Machine

NAMES = ("Press 1", "Press 2", "M1", "M2", "Gear", "Line 1", "Warsaw", "ana")


@pytest.fixture
def guarded(assistant):
    AssistantSettings.objects.update(aliases_enabled=True)
    assistant.refresh_from_db()
    return assistant


class TestBook:
    def test_switched_off_it_is_empty(self, small_plant, assistant):
        assert read_book(assistant=assistant).aliases == {}
        assert Alias.objects.count() == 0

    def test_each_name_has_an_alias_of_its_own_that_stays(self, small_plant, guarded, ana):
        first = read_book(assistant=guarded).aliases
        assert set(NAMES) <= set(first)
        assert len(set(first.values())) == len(first)
        Machine.objects.create(tenant=guarded.tenant, code="M0", name="Anvil", line=Machine.objects.first().line)
        second = read_book(assistant=guarded).aliases
        assert {name: second[name] for name in first} == first
        assert set(second) - set(first) == {"M0", "Anvil"}

    def test_only_the_chosen_kinds_are_kept_here(self, small_plant, guarded):
        guarded.alias_kinds = ["LINE"]
        assert read_book(assistant=guarded).aliases == {"Line 1": "LINE-A"}

    def test_the_names_of_another_tenant_are_not_in_it(self, small_plant, guarded, carla):
        assert "carla" not in read_book(assistant=guarded).aliases


class TestSending:
    def test_no_name_travels_and_every_name_comes_back(self, ask, clock, guarded, analyst):
        clear_log(analyst)
        question = "What about PRESS 2, asks Ana of Warsaw?"
        analysis = work(ask(question=question), clock)
        sent = json.dumps(analysis.request, ensure_ascii=False)
        assert [name for name in NAMES if re.search(rf"(?<!\w){name}(?!\w)", sent, re.IGNORECASE)] == []
        (seen,) = read_log(analyst)
        assert seen["body_sha256"] == analysis.request_sha256
        assert analysis.question == question
        assert "Press 2" in analysis.answer
        assert "MACHINE-" not in analysis.answer
        assert analysis.numbers["unknown"] + analysis.numbers["contradicted"] == 0
        assert "Press 2" in analysis.aliases.values()

    def test_without_aliases_names_travel_as_they_are(self, ask, clock):
        analysis = work(ask(), clock)
        assert "Press 2" in analysis.request["messages"][-1]["content"]
        assert analysis.aliases == {}

    def test_a_name_in_disguise_is_not_sent(self, ask, guarded):
        with pytest.raises(NameLeft, match="Press 2"):
            ask(question="Why did \uff30ress 2 stop?")

    def test_the_growing_answer_has_the_names_too(self, ask, clock, guarded):
        analysis = ask(question="What of Press 2?")
        pulse = Pulse(analysis=analysis, now_fn=clock)
        alias = next(alias for alias, name in analysis.aliases.items() if name == "Press 2")
        shown = []
        for piece in ("It was ", alias[:4], alias[4:], " that stopped"):
            pulse.hear(piece)
            shown.append(pulse.shown)
        assert shown == ["It was ", "It was ", "It was ", "It was Press 2 that stopped"]


class TestPage:
    def test_what_stayed_here_is_shown(self, ask, clock, guarded, client_of, vic):
        analysis = work(ask(), clock)
        page = client_of(vic).get(f"/t/alfa/analyses/{analysis.pk}/").content.decode()
        assert "names stayed here" in page

    def test_aliases_without_a_kind_are_refused(self, guarded, client_of, boris):
        response = client_of(boris).post("/t/alfa/assistant/", {"aliases_enabled": "on", "alias_kinds": []})
        assert "Choose at least one kind of names" in response.content.decode()
