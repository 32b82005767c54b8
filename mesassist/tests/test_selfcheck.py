"""Self-check: the command prints what offends and exits 1, and the night keeps its result for the metrics."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from analyses.models import AssistantSettings, Spend
from mesassist.celery import app
from mesassist.selfcheck import CHECKS, check_all, check_one, check_tenant
from production import partitions
from production.models import DailyRollup, EventKey, SelfCheck

KEYS = "ids of events are taken"


@pytest.fixture
def whole_morning(morning):
    """The morning, its events in their month, as they are once the clock has made it."""
    month = dt.date(2026, 3, 1)
    partitions.make_months(months=[month])
    yield morning
    partitions._known.discard(month)


class TestCommand:
    def test_it_says_that_everything_is_as_it_must_be(self, whole_morning, capsys):
        call_command("selfcheck", tenant="alfa")
        assert capsys.readouterr().out == f"{len(CHECKS)} checks of 1 tenants: everything is as it must be.\n"

    def test_it_prints_the_offending_rows_bounded_and_exits_1(self, whole_morning, capsys, freeze_recent):
        EventKey.objects.all().delete()
        with pytest.raises(SystemExit) as ended:
            call_command("selfcheck", rows=2)
        assert ended.value.code == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"alfa: not true: {KEYS}"
        assert [line.startswith("  event erp-7/e") for line in lines[1:3]] == [True, True]
        assert lines[3] == "  and more; --rows 20 prints more of them"

    def test_it_asks_every_room(self, whole_morning, alfa, capsys, freeze_recent):
        AssistantSettings.objects.create(tenant=alfa)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE analyses_assistantsettings SET token = 'sk-plain-0123456789'")
        Spend.objects.create(tenant=alfa, day=dt.date(2026, 3, 2), reserved_tokens=70)
        DailyRollup.objects.all().delete()
        with pytest.raises(SystemExit):
            call_command("selfcheck", tenant="alfa")
        said = capsys.readouterr().out
        assert "alfa: not true: every quarter hour lies in one day" in said
        assert "alfa: not true: what is held belongs to what is open" in said
        assert "alfa: not true: secrets are sealed" in said
        assert "sk-plain" not in said

    def test_it_knows_no_other_tenant(self, alfa):
        with pytest.raises(CommandError, match="There is no tenant gamma"):
            call_command("selfcheck", tenant="gamma")


class TestNight:
    def test_it_keeps_what_it_found(self, whole_morning, now):
        assert check_tenant(now=now) == 0
        EventKey.objects.filter(event_id="e1").delete()
        assert check_tenant(now=now) == 1
        assert SelfCheck.objects.values_list("checked_at", "found").get() == (now, {KEYS: 1})

    def test_the_task_checks_its_tenant(self, alfa, in_alfa):
        check_one(tenant_id=alfa.pk)
        assert SelfCheck.objects.get().found == {}

    def test_it_is_rung_for_each_tenant_at_night(self, alfa, beta, monkeypatch):
        rung = []
        # The broker is not what is tested here; the rest is our own.
        monkeypatch.setattr(check_one, "delay", lambda **ids: rung.append(ids))
        check_all()
        assert rung == [{"tenant_id": alfa.pk}, {"tenant_id": beta.pk}]
        entry = app.conf.beat_schedule["check what must always be true"]
        assert (entry["task"], entry["schedule"].hour) == (check_all.name, {3})


@pytest.fixture
def freeze_recent(monkeypatch, now):
    """The morning is a day of the past; the command asks for the recent ones."""
    monkeypatch.setattr("mesassist.management.commands.selfcheck.timezone.now", lambda: now)
