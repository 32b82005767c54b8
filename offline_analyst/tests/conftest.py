"""The clients of the offline analyst's own tests; `analyst` itself is the whole project's fixture."""

import httpx2
import openai
import pytest

from offline_analyst.process import clear_log

SYSTEM = "You report on a plant.\nAnswer language: {language}\nUse only the facts."
FACTS = """\
F1: OEE was 61.3 % in the period yesterday: availability 78.0 %, performance 84.2 %, quality 93.3 %.
F2: Against the day before: OEE -5.1 percentage points (was 66.4 %), availability +0.4 percentage points (was 77.6 %).
F3: Pieces: 4,310 produced, good 4,170, scrap 120, rework not recorded. The scrap ratio was 2.8 %.
F4: Unplanned down time was 16 h 48 min in 131 stops.
F5: Machines ran for 22 min between two unplanned stops on average (MTBF).
F6: Down time by reason, place 1: Jam with 5 h 12 min in 42 stops, 31.0 % of all down time and micro-stops.
F7: Down time by reason, place 2: Missing part with 3 h 2 min in 12 stops, 18.1 % of all down time and micro-stops.
F8: M4: OEE 41.2 % (availability 51.0 %, performance 86.0 %), pieces good 840, scrap 71, down 9 h in 60 stops.
F9: M1: OEE 71.2 % (availability 88.0 %, performance 83.0 %), pieces good 3,330, scrap 49, down 7 h 48 min in 71 stops.
F10: The worst OEE of the trend was 12.5 %, at 14:00.
F11: The newest event is of Mon 2 Mar 2026 09:30, 4 min before these figures were read.
F12: Warning: Performance of M3 is 104.0 %: an ideal cycle is too long, or a count is wrong."""


def ask(question="", *, facts=FACTS, language="en"):
    """The messages of a prompt as the portal writes it."""
    asked = f"<<<FACTS\n{facts}\nFACTS>>>\n<<<TABLE\nmachine,oee\nM1,71.2\nTABLE>>>\nQuestion:\n{question}"
    return [{"role": "system", "content": SYSTEM.format(language=language)}, {"role": "user", "content": asked}]


def read_stream(stream):
    """Text, refusal, finish_reason and usage of a streamed answer."""
    text, refusal, finish_reason, usage = "", "", None, None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices or []:
            text += choice.delta.content or ""
            refusal += choice.delta.refusal or ""
            finish_reason = choice.finish_reason or finish_reason
    return text, refusal, finish_reason, usage


@pytest.fixture(scope="session")
def sdk(analyst):
    """The real SDK, with the patience of a test and no retries of its own."""
    with openai.OpenAI(base_url=analyst, api_key="sk-proj-abcdefgh-not-a-key-5678", max_retries=0, timeout=10) as sdk:
        yield sdk


@pytest.fixture
def client(analyst, sdk):
    """The SDK against a server that has forgotten all earlier tests."""
    clear_log(analyst)
    return sdk


@pytest.fixture(scope="session")
def http(analyst):
    """A plain HTTP client, for what the SDK would never send."""
    with httpx2.Client(base_url=analyst, timeout=10, trust_env=False) as plain:
        yield plain
