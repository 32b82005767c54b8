"""The command run_analysis: what it prints, and when it fails."""

from contextvars import Context
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from analyses import runs
from analyses.management.commands import run_analysis
from analyses.models import Analysis, AssistantSettings


@pytest.fixture
def command(morning, assistant, now, monkeypatch):
    """Run the command at the test's moment; gives what it printed."""
    monkeypatch.setattr(run_analysis.timezone, "now", lambda: now)

    def call(*arguments):
        printed = StringIO()
        Context().run(call_command, "run_analysis", "--tenant", "alfa", *arguments, stdout=printed)
        return [line.split(maxsplit=1) for line in printed.getvalue().splitlines()]

    return call


@pytest.fixture
def worker(monkeypatch, now):
    """A worker that is as quick as the command's first look at the row."""
    monkeypatch.setattr(
        run_analysis.time, "sleep", lambda _: runs.execute(analysis_id=Analysis.objects.get().pk, now_fn=lambda: now)
    )


class TestRunAnalysis:
    def test_it_prints_the_result(self, command, worker):
        lines = dict(command("--wait"))
        analysis = Analysis.objects.get()
        assert lines == {
            "analysis": str(analysis.pk),
            "status": "done",
            "model": "offline-analyst",
            "tokens": f"{analysis.prompt_tokens} in + {analysis.completion_tokens} out",
            "cost": "unknown price",
            "numbers": f"{analysis.numbers['found']} of {len(analysis.numbers['marks'])} confirmed",
        }

    def test_it_only_asks_without_wait(self, command):
        assert dict(command("--question", "Why?"))["status"] == "queued"
        assert Analysis.objects.get().question == "Why?"

    def test_it_fails_with_one_line_unless_done(self, command, worker):
        AssistantSettings.objects.update(model="fault-401")
        with pytest.raises(
            CommandError, match=r"^credentials: The endpoint did not accept the token\. A manager enters"
        ):
            command("--wait")

    def test_it_says_when_no_worker_came(self, command, settings, monkeypatch):
        settings.MODEL_DEADLINE_S = 0.1
        monkeypatch.setattr(run_analysis, "GRACE_S", 0.1)
        with pytest.raises(CommandError, match=r"still queued\. Is a worker running"):
            command("--wait")

    def test_a_refusal_is_told(self, command):
        AssistantSettings.objects.update(model="")
        with pytest.raises(CommandError, match="no endpoint or no model yet"):
            command()

    def test_an_unknown_summary_is_told(self, command):
        with pytest.raises(CommandError, match="Alfa Works has no summary 999"):
            command("--summary", "999")

    def test_an_unknown_tenant_is_told(self, db):
        with pytest.raises(CommandError, match="no tenant 'gamma'"):
            call_command("run_analysis", "--tenant", "gamma")
