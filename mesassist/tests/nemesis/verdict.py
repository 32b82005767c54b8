"""Verdict: what the storm may not have done, as queries and counts; every offender is named."""

import datetime as dt
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

from mesassist.crew import PROJECT
from mesassist.tests.nemesis import history
from mesassist.tests.nemesis.clicks import Crowd, Reporters, Wish
from mesassist.tests.nemesis.faults import Nemesis
from mesassist.tests.nemesis.stage import Stage

STUCK = "SELECT id::text FROM analyses_analysis WHERE status IN ('queued', 'running')"
ANSWERED_TWICE = """
SELECT analysis_id::text FROM analyses_attempt WHERE outcome = 'answered' GROUP BY 1 HAVING count(*) > 1
"""
# What was final has changed, or has become final twice.
ENDED_TWICE = """
SELECT DISTINCT analysis::text FROM nemesis.history WHERE was IN ('done', 'failed', 'cancelled') AND status <> was
"""
HALF_DONE = """
SELECT a.id::text FROM analyses_analysis a
LEFT JOIN analyses_attempt t ON t.analysis_id = a.id AND t.outcome = 'answered'
WHERE a.status = 'done' AND (a.finish_reason <> 'stop' OR a.answer IS DISTINCT FROM t.envelope->>'content')
"""
ROWS = """
SELECT a.id::text, t.slug, a.question, a.status, a.error_code, a.request_sha256
FROM analyses_analysis a JOIN tenants_tenant t ON t.id = a.tenant_id
"""
EVENTS = """
SELECT t.slug, count(*), count(DISTINCT e.event_id) FROM production_event e JOIN tenants_tenant t ON t.id = e.tenant_id
WHERE e.source = 'nemesis' GROUP BY 1
"""


@dataclass
class Verdict:
    """Counts for the table, and every offence as a sentence."""

    ended: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    calls: int = 0
    extra: int = 0
    in_flight: int = 0
    unexplained: list[str] = field(default_factory=list)
    overlaps: tuple[int, int] = (0, 0)
    recoveries: list[float] = field(default_factory=list)
    quiet_recoveries: list[float] = field(default_factory=list)
    rerings: list[float] = field(default_factory=list)
    quiet_rerings: list[float] = field(default_factory=list)

    @property
    def offences(self) -> list[str]:
        """Everything that must not be, in words."""
        kinds = {
            "lost": self.lost,
            "stuck": self.stuck,
            "doubled": self.doubled,
            "called without need": self.unexplained,
        }
        return [f"{kind}: {one}" for kind, them in kinds.items() for one in them] + self.others


def judge(*, stage: Stage, nemesis: Nemesis, crowd: Crowd, reporters: Reporters, quiet: int) -> Verdict:
    """Read all witnesses. The first `quiet` faults struck one by one, with nothing else broken."""
    verdict = Verdict()
    with stage.look() as connection:
        rows = list(connection.execute(ROWS))
        verdict.stuck += [row[0] for row in connection.execute(STUCK)]
        verdict.doubled += [f"{row[0]} was answered twice" for row in connection.execute(ANSWERED_TWICE)]
        verdict.doubled += [f"{row[0]} ended twice" for row in connection.execute(ENDED_TWICE)]
        verdict.others += [f"{row[0]} is done with another text than came" for row in connection.execute(HALF_DONE)]
        events = {slug: (count, distinct) for slug, count, distinct in connection.execute(EVENTS)}
    verdict.ended.update(f"{status} {code}".strip() for _, _, _, status, code, _ in rows)
    check_wishes(verdict, crowd, rows)
    check_events(verdict, reporters, events)
    calls = history.read_calls(stage.journal, analysis_of={row[5]: row[0] for row in rows})
    changes = history.read_changes(stage)
    check_calls(verdict, calls, nemesis)
    begun = sorted(nemesis.done, key=lambda fault: fault.at)
    verdict.recoveries = history.recoveries(changes, calls, begun)
    verdict.quiet_recoveries = history.recoveries(changes, calls, begun[:quiet])
    verdict.rerings = history.rerings(changes, begun)
    verdict.quiet_rerings = history.rerings(changes, begun[:quiet])
    verdict.others += nemesis.errors + sorted(set(crowd.door.faulty)) + crowd.refused
    return verdict


def check_wishes(verdict: Verdict, crowd: Crowd, rows: list[tuple]) -> None:
    """Each accepted wish is one row of its own tenant, and there is no other row."""
    owner = {row[0]: row[1] for row in rows}
    wished: Counter[str] = Counter()
    for wish in crowd.wishes:
        ids = set(wish.ids)
        wished.update(ids)
        if not ids:
            verdict.lost.append(f"{wish.question} of {wish.plant.slug} was never accepted")
        if len(ids) > 1:
            verdict.doubled.append(f"{wish.question} became {sorted(ids)}")
        verdict.lost += [f"{one} of {name(wish)} is nowhere" for one in ids if one not in owner]
        foreign = [one for one in ids if owner.get(one, wish.plant.slug) != wish.plant.slug]
        verdict.others += [f"{one} of {name(wish)} belongs to {owner[one]}" for one in foreign]
    verdict.doubled += [f"{one} answers {count} wishes" for one, count in wished.items() if count > 1]
    verdict.doubled += [f"{row[0]} ({row[2]}) was asked for by nobody" for row in rows if row[0] not in wished]


def check_events(verdict: Verdict, reporters: Reporters, stored: dict[str, tuple[int, int]]) -> None:
    """Every event that was taken is there, once."""
    for slug, sent in reporters.sent.items():
        if stored.get(slug) != (sent, sent):
            verdict.others.append(f"{slug} sent {sent} events; stored and distinct are {stored.get(slug)}")


def check_calls(verdict: Verdict, calls: dict[str, list[history.Call]], nemesis: Nemesis) -> None:
    """Each call that was made again had been hit by a fault; no two of one analysis were in flight together."""
    for analysis, of_one in calls.items():
        verdict.calls += len(of_one)
        verdict.extra += len(of_one) - 1
        hit = [any(call.was_hit_by(fault) for fault in nemesis.done) for call in of_one]
        verdict.in_flight += sum(hit)
        for call, was_hit in zip(of_one[:-1], hit, strict=False):
            if not was_hit:
                at = dt.datetime.fromtimestamp(call.begun, dt.UTC)
                verdict.unexplained.append(f"{analysis}, {call.outcome} at {at:%H:%M:%S.%f} from port {call.port}")
    verdict.overlaps = history.count_overlaps(calls, nemesis.done)
    if verdict.overlaps[1]:
        verdict.others.append(f"{verdict.overlaps[1]} calls overlapped though no worker was frozen")


def name(wish: Wish) -> str:
    """A wish in words."""
    return f"{wish.question} of {wish.plant.slug}"


def find_broken_rows(stage: Stage) -> list[str]:
    """What the command `selfcheck` prints of every tenant; nothing when all is well."""
    command = [sys.executable, "-m", "django", "selfcheck", "--machine-days", "6"]
    done = subprocess.run(command, cwd=PROJECT, env=stage.crew.environ, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else (done.stdout or done.stderr[-2000:]).splitlines()
