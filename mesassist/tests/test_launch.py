"""The launcher: what it starts with which environment, and that nothing of it is left whatever ends it."""

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mesassist.crew import Crew, CrewError, Stopped, StopRequest
from mesassist.embedded import PROJECT
from mesassist.launch import (
    SIGN_INS,
    LaunchError,
    build_plan,
    choose_analyst_port,
    choose_web_port,
    keep_secrets,
    load_environment,
)
from mesassist.servers.locks import is_held, wait_until
from mesassist.servers.ports import choose_port

STUB = Path(__file__).with_name("stub_launch.py")
CONFIGURED = {
    "DATABASE_URL": "postgresql://app@db/x",
    "OWNER_DATABASE_URL": "postgresql://owner@db/x",
    "REDIS_URL": "redis://broker/0",
}


def stub(home, role, *arguments):
    return [sys.executable, str(STUB), role, str(home / "alive"), *arguments]


@pytest.fixture
def home(tmp_path):
    """A home folder; no process of the test may outlive it."""
    yield tmp_path
    assert not is_held(tmp_path / "alive")


def stub_plan(home, *, mode="run", steps=(), analysis=("done, 812 tokens", "0"), **children):
    port = choose_port()
    return {
        "mode": mode,
        "port": port,
        "analyst_port": 8123,
        "steps": [{"title": "Preparing", "name": "prepare", **step} for step in steps],
        "children": {"web": stub(home, "web", str(port)), **children},
        "analysis": stub(home, "say", *analysis),
    }


@contextmanager
def launched(home, plan):
    """A launcher in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(STUB), "launch", str(home), json.dumps(plan)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **CONFIGURED},
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_up_to(stream, text):
    """The stream's lines up to the one that starts with `text`."""
    lines = []
    for line in stream:
        lines.append(line.rstrip("\n"))
        if line.startswith(text):
            return lines
    raise AssertionError(f"{text!r} did not come, but {lines}")


class TestRun:
    def test_it_shows_the_result_and_serves_until_ctrl_c(self, home):
        plan = stub_plan(home, worker=stub(home, "serve"))
        with launched(home, plan) as process:
            lines = read_up_to(process.stdout, "Ctrl-C stops everything.")
            assert urllib.request.urlopen(f"http://127.0.0.1:{plan['port']}/readyz").status == 200
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)

        assert [line.partition(" ... ")[0] for line in lines] == [
            "Checking the environment",
            "Starting web, workers and the offline analyst",
            "Analysing the demo summary",
            "",
            "done, 812 tokens",
            "",
            f"Portal   http://127.0.0.1:{plan['port']}/",
            f"Sign in  {SIGN_INS}",
            f"Logs     {home / 'logs'}",
            "Ctrl-C stops everything.",
        ]
        assert (process.returncode, out, err) == (0, "Stopping ...\n", "")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_it_stops_in_the_same_way_when_told_otherwise(self, home, number):
        with launched(home, stub_plan(home, worker=stub(home, "serve_with_child"))) as process:
            read_up_to(process.stdout, "Ctrl-C stops everything.")
            process.send_signal(number)
            assert process.communicate(timeout=30) == ("Stopping ...\n", "")
        assert process.returncode == 0

    def test_a_second_ctrl_c_does_not_break_the_clean_up(self, home):
        with launched(home, stub_plan(home, worker=stub(home, "slow_to_stop"))) as process:
            read_up_to(process.stdout, "Ctrl-C stops everything.")
            process.send_signal(signal.SIGINT)
            read_up_to(process.stdout, "Stopping ...")
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0

    def test_ctrl_c_during_a_step_ends_the_step(self, home):
        with launched(home, stub_plan(home, steps=[{"command": stub(home, "serve_with_child")}])) as process:
            assert wait_until(lambda: is_held(home / "alive"), seconds=30)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out.splitlines()[1:], err) == (0, ["Preparing ... stopped", "Stopping ..."], "")

    def test_a_terminal_that_is_gone_does_not_break_the_clean_up(self, home):
        with launched(home, stub_plan(home)) as process:
            read_up_to(process.stdout, "Ctrl-C stops everything.")
            process.stdout.close()
            process.send_signal(signal.SIGHUP)
            assert process.wait(30) == 0

    def test_a_killed_launcher_leaves_no_process_behind(self, home):
        plan = stub_plan(home, worker=stub(home, "serve_with_child"))
        with launched(home, plan) as process:
            read_up_to(process.stdout, "Ctrl-C stops everything.")
            process.kill()
            assert wait_until(lambda: not is_held(home / "alive"), seconds=20)

    def test_a_child_that_ends_stops_all_and_is_named(self, home):
        with launched(home, stub_plan(home, worker=stub(home, "die_at", str(home / "now")))) as process:
            read_up_to(process.stdout, "Ctrl-C stops everything.")
            (home / "now").touch()
            out, err = process.communicate(timeout=30)
        said = f"worker ended by itself, exit code 3. The end of {home / 'logs/worker.log'}:\n  out of coal\n"
        assert (process.returncode, out, err) == (1, "Stopping ...\n", said)

    def test_a_step_that_fails_is_named(self, home):
        with launched(home, stub_plan(home, steps=[{"command": stub(home, "say", "no such column", "4")}])) as process:
            out, err = process.communicate(timeout=30)
        assert out.splitlines()[1:] == ["Preparing ... failed", "Stopping ..."]
        assert err.startswith(f"prepare failed, exit code 4. The end of {home / 'logs/prepare.log'}:\n")
        assert process.returncode == 1

    def test_an_analysis_that_fails_leaves_the_portal_up(self, home):
        with launched(home, stub_plan(home, analysis=("failed, credentials", "1"))) as process:
            assert "failed, credentials" in read_up_to(process.stdout, "Ctrl-C stops everything.")
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30)[1].startswith("The demo analysis did not finish: postgresql://")
        assert process.returncode == 0

    def test_only_steps_of_the_owner_get_the_owners_address(self, home):
        steps = [
            {"name": "migrate", "command": stub(home, "say", "", "0"), "as_owner": True},
            {"name": "seed", "command": stub(home, "say", "", "0")},
        ]
        plan = stub_plan(home, mode="demo", steps=steps)
        with launched(home, plan) as process:
            process.communicate(timeout=30)
        logs = [(home / f"logs/demo/{name}.log").read_text().split() for name in ("migrate", "seed")]
        known = ["http://127.0.0.1:8123/v1", str(plan["port"])]
        assert logs == [["postgresql://owner@db/x", *known], ["postgresql://app@db/x", *known]]


class TestDemo:
    def test_it_ends_with_the_result(self, home):
        with launched(home, stub_plan(home, mode="demo")) as process:
            out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert out.splitlines()[-4:] == ["", "done, 812 tokens", "", "Stopping ..."]

    def test_it_fails_with_one_line_when_the_analysis_did(self, home):
        plan = stub_plan(home, mode="demo", analysis=("failed, timeout", "1"))
        with launched(home, plan) as process:
            err = process.communicate(timeout=30)[1]
        # The stub's last word on standard error is the addresses it was given.
        why = f"postgresql://app@db/x http://127.0.0.1:8123/v1 {plan['port']}"
        log = home / "logs/demo/run_analysis.log"
        assert (process.returncode, err) == (1, f"The demo analysis did not finish: {why} (its log is {log})\n")

    def test_it_fails_when_it_is_stopped_before(self, home):
        with launched(home, stub_plan(home, mode="demo", steps=[{"command": stub(home, "serve")}])) as process:
            assert wait_until(lambda: is_held(home / "alive"), seconds=30)
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=30)[1] == "Stopped before the demo analysis was finished.\n"
        assert process.returncode == 1


class TestCrew:
    def test_who_does_not_listen_is_killed(self, home):
        with Crew(environ=os.environ, logs=home / "logs", stop=StopRequest(), grace_seconds=0.5) as crew:
            crew.start("worker", stub(home, "stubborn"))
            assert wait_until(lambda: crew.log("worker").read_text() == "I stay\n", seconds=30)
        assert crew.children["worker"].returncode == -signal.SIGKILL

    def test_a_step_may_not_take_for_ever(self, home):
        with (
            Crew(environ=os.environ, logs=home / "logs", stop=StopRequest()) as crew,
            pytest.raises(CrewError, match=r"seed did not finish within 0 s\. Its log is .*seed\.log"),
        ):
            crew.run("seed", stub(home, "serve"), seconds=0.2)

    def test_a_step_gives_up_when_a_child_has_ended(self, home):
        (home / "now").touch()
        with Crew(environ=os.environ, logs=home / "logs", stop=StopRequest()) as crew:
            crew.start("worker", stub(home, "die_at", str(home / "now")))
            with pytest.raises(CrewError, match="worker ended by itself, exit code 3"):
                crew.run("analysis", stub(home, "serve"), seconds=30)

    def test_a_request_to_stop_is_heard_between_two_steps(self, home):
        stop = StopRequest()
        stop.note(signal.SIGTERM, None)
        with Crew(environ=os.environ, logs=home / "logs", stop=stop) as crew, pytest.raises(Stopped):
            crew.check()

    def test_a_long_log_is_put_aside(self, home):
        with Crew(environ=os.environ, logs=home / "logs", stop=StopRequest()) as crew:
            crew.log("web").write_bytes(b"x" * 5_000_001)
            crew.open_log("web").close()
            assert (crew.log("web").stat().st_size, (home / "logs/web.log.1").stat().st_size) == (0, 5_000_001)


class TestPlan:
    def plan(self, **changes):
        known = {"mode": "run", "port": 8000, "analyst_port": 8009, "home": Path("/srv/plant 1"), "debug": True}
        return build_plan(**(known | changes))

    def test_the_children_are_web_workers_beat_and_the_analyst(self):
        commands = {name: " ".join(command[2:]).split(" -m ")[-1] for name, command in self.plan().children.items()}
        worker = "celery --app mesassist worker --loglevel INFO"
        assert commands == {
            "analyst": "offline_analyst --port 8009",
            "web": "uvicorn mesassist.asgi:application --host 127.0.0.1 --port 8000 --timeout-graceful-shutdown 3",
            "worker": f"{worker} --queues model --pool threads --concurrency 16 -n model-8000@%h",
            "compute": f"{worker} --queues compute --pool prefork --concurrency 2 -n compute-8000@%h",
            "beat": "celery --app mesassist beat --loglevel INFO --schedule /srv/plant 1/beat-run",
        }

    def test_a_consumer_runs_beside_them_where_that_was_asked_for_and_never_in_the_demo(self):
        assert self.plan(consumes=True).children["consumer"][2:] == ("consume_events",)
        assert "consumer" not in self.plan(consumes=True, mode="demo").children

    def test_the_database_is_prepared_by_the_owner_and_seeded_by_the_app(self):
        steps = [(step.name, step.command[2:], step.as_owner) for step in self.plan().steps]
        assert steps == [("migrate", ("migrate", "--no-input"), True), ("seed_demo", ("seed_demo",), False)]
        assert self.plan().analysis[2:] == ("run_analysis", "--tenant", "alfa", "--wait")

    def test_the_many_threads_of_the_worker_share_a_few_connections(self):
        assert self.plan().children["worker"][:2] == ("env", "DATABASE_POOL_SIZE=8")

    def test_static_files_are_collected_where_they_are_served_by_name(self):
        assert [step.name for step in self.plan(debug=False).steps] == ["migrate", "collectstatic", "seed_demo"]

    def test_a_demo_beside_a_portal_has_names_and_files_of_its_own(self):
        demo = self.plan(mode="demo", port=45678)
        assert demo.children["beat"][-1] == "/srv/plant 1/beat-demo"
        assert demo.children["worker"][-1] == "model-45678@%h"


class TestAnalystPort:
    def test_it_is_the_same_at_the_next_launch(self, home):
        assert choose_analyst_port(home) == choose_analyst_port(home)

    def test_a_demo_asks_the_analyst_of_the_running_portal(self, home, analyst):
        port = urlsplit(analyst).port
        (home / "analyst.port").write_text(str(port))
        assert choose_analyst_port(home) == (port, False)
        assert "analyst" not in TestPlan().plan(starts_analyst=False).children

    def test_another_program_on_the_port_is_not_asked(self, home):
        taken = urlsplit(os.environ["REDIS_URL"]).port
        (home / "analyst.port").write_text(str(taken))
        port, starts = choose_analyst_port(home)
        assert port != taken
        assert starts


class TestPort:
    def test_it_is_8000_or_what_port_says(self):
        free = choose_port()
        assert choose_web_port("run", {"PORT": str(free)}) == free

    def test_a_taken_one_is_refused_with_a_free_one_to_choose(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            with pytest.raises(LaunchError, match=rf"^Port {taken} is in use\. Choose another: PORT=\d+ make run$"):
                choose_web_port("run", {"PORT": str(taken)})
            assert choose_web_port("demo", {"PORT": str(taken)}) != taken

    @pytest.mark.parametrize("text", ["0", "65536", "eighty", "-1", "8000.0"])
    def test_what_is_no_port_is_refused(self, text):
        with pytest.raises(LaunchError, match="PORT must be a number from 1 to 65535"):
            choose_web_port("run", {"PORT": text})


class TestEnvironment:
    def test_secrets_are_made_once_and_kept(self, home):
        first, second = ({"MESASSIST_HOME": str(home)} for _ in range(2))
        load_environment(first, dotenv=home / "none")
        load_environment(second, dotenv=home / "none")

        assert first == second
        identifier, _, key = first["TOKEN_KEYS"].partition(":")
        assert (identifier, len(base64.b64decode(key, validate=True))) == ("k1", 32)
        assert len(first["SECRET_KEY"]) >= 50
        assert stat.S_IMODE((home / "secrets.env").stat().st_mode) == 0o600
        assert [path.name for path in home.glob("secrets*")] == ["secrets.env"]

    def test_the_environment_goes_before_the_file_and_the_file_before_the_default(self, home):
        (home / ".env").write_text('SECRET_KEY="from the file"\nDEBUG=\nPORT=8001\n')
        environ = {"MESASSIST_HOME": str(home), "PORT": "8002"}
        load_environment(environ, dotenv=home / ".env")

        assert {name: environ[name] for name in ("SECRET_KEY", "DEBUG", "DEMO", "PORT")} == {
            "SECRET_KEY": "from the file",
            "DEBUG": "true",
            "DEMO": "true",
            "PORT": "8002",
        }

    def test_the_demo_stays_off_without_debug(self, home):
        environ = {"MESASSIST_HOME": str(home), "DEBUG": "false"}
        load_environment(environ, dotenv=home / "none")
        assert "DEMO" not in environ

    def test_a_configured_portal_gets_no_secrets_made_up(self, home):
        environ = {"MESASSIST_HOME": str(home), **CONFIGURED}
        load_environment(environ, dotenv=home / "none")
        assert environ == {"MESASSIST_HOME": str(home), **CONFIGURED}
        assert not (home / "secrets.env").exists()

    def test_a_launch_on_a_configured_database_keeps_its_secrets_for_commands_too(self, home):
        launch, command = ({"MESASSIST_HOME": str(home), **CONFIGURED} for _ in range(2))
        load_environment(launch, is_launch=True, dotenv=home / "none")
        load_environment(command, dotenv=home / "none")
        assert command["SECRET_KEY"] == launch["SECRET_KEY"]
        assert "DEBUG" not in command

    def test_of_two_first_starts_one_wins_for_both(self, home):
        keep_secrets(home)
        made = (home / "secrets.env").read_text()
        keep_secrets(home)
        assert (home / "secrets.env").read_text() == made
