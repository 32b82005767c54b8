"""The server starts, demands its key, keeps its faults to itself and leaves with whoever started it."""

import os
import signal
import subprocess
import sys
import time

import httpx2
import openai
import pytest

from offline_analyst.process import ROOT, read_log, running_analyst

from .conftest import ask

PARENT = """
import sys, time
from offline_analyst.process import running_analyst
with running_analyst() as url:
    print(url, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def guarded():
    """A server without faults that demands a key."""
    with running_analyst(token="s3cret") as url:
        yield url


def listens(url):
    try:
        httpx2.get(f"{url}/models", trust_env=False)
    except (httpx2.NetworkError, httpx2.RemoteProtocolError):
        return False
    return True


class TestRunningAnalyst:
    @pytest.mark.parametrize("key", ["wrong", "s3cret2", "schlüssel"])
    def test_it_demands_its_key(self, guarded, key):
        headers = {"authorization": f"Bearer {key}".encode()}
        answer = httpx2.get(f"{guarded}/models", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")

    def test_it_answers_who_has_the_key(self, guarded):
        with openai.OpenAI(base_url=guarded, api_key="s3cret", max_retries=0) as sdk:
            answer = sdk.chat.completions.create(model="offline-analyst", messages=ask())
            assert answer.choices[0].finish_reason == "stop"

    def test_it_plays_no_faults_unless_told(self, guarded):
        with openai.OpenAI(base_url=guarded, api_key="s3cret", max_retries=0) as sdk:
            assert [model.id for model in sdk.models.list().data] == ["offline-analyst", "offline-analyst-slow"]
            with pytest.raises(openai.NotFoundError):
                sdk.chat.completions.create(model="fault-500", messages=ask())
        with pytest.raises(LookupError):
            read_log(guarded)

    def test_it_leaves_when_whoever_started_it_is_killed(self):
        with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE) as parent:
            url = parent.stdout.readline().decode().strip()
            assert listens(url)
            os.kill(parent.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while listens(url):
            assert time.monotonic() < deadline, "the server outlived its parent"
            time.sleep(0.05)
