"""History: what really happened, from two witnesses: the database's own record of each change, and the endpoint's
journal of each call."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mesassist.tests.nemesis.faults import Fault
from mesassist.tests.nemesis.stage import Stage

# How long after its last byte an answer may still be on its way into the database of a busy machine.
STORING_S = 8.0
NEVER = float("inf")

RECORD = """
CREATE SCHEMA nemesis;
CREATE TABLE nemesis.history (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, analysis uuid, was text, status text, owner uuid,
    rung_at timestamptz, at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION nemesis.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = nemesis, public AS $$
BEGIN
    INSERT INTO nemesis.history (analysis, was, status, owner, rung_at)
    VALUES (NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status, NEW.owner, NEW.rung_at);
    RETURN NULL;
END $$;
CREATE TRIGGER note_new AFTER INSERT ON analyses_analysis FOR EACH ROW EXECUTE FUNCTION nemesis.note();
CREATE TRIGGER note_change AFTER UPDATE ON analyses_analysis FOR EACH ROW
WHEN ((OLD.status, OLD.owner, OLD.rung_at) IS DISTINCT FROM (NEW.status, NEW.owner, NEW.rung_at))
EXECUTE FUNCTION nemesis.note();
"""
READ = "SELECT analysis::text, was, status, rung_at, extract(epoch FROM at)::float FROM nemesis.history ORDER BY number"


@dataclass(frozen=True)
class Change:
    """A row's new state at a moment of the database's clock; `was` is None for a new row."""

    was: str | None
    status: str
    rung: object
    at: float


@dataclass
class Call:
    """A call as the endpoint saw it. `end` is infinite where nobody saw one."""

    analysis: str
    port: int
    begun: float
    end: float = NEVER
    outcome: str = "unknown"

    def was_hit_by(self, fault: Fault) -> bool:
        """Whether the fault struck while the call, or its answer on the way into the database, was in flight."""
        if fault.ports is not None and self.port not in fault.ports:
            return False
        return self.begun <= fault.until + 1.0 and self.end + STORING_S >= fault.at


def start_record(stage: Stage) -> None:
    """Let the database note each change of an analysis, whoever makes it."""
    with stage.look() as connection:
        connection.execute(RECORD)


def read_changes(stage: Stage) -> dict[str, list[Change]]:
    """{analysis: its changes, oldest first}."""
    changes: dict[str, list[Change]] = defaultdict(list)
    with stage.look() as connection:
        for analysis, *rest in connection.execute(READ):
            changes[analysis].append(Change(*rest))
    return changes


def read_calls(journal: Path, *, analysis_of: dict[str, str]) -> dict[str, list[Call]]:
    """{analysis: its calls in their order}, from the journal; `analysis_of` knows whose body has which SHA-256."""
    calls: dict[str, list[Call]] = defaultdict(list)
    open_calls: dict[int, Call] = {}
    for line in map(json.loads, journal.read_text().splitlines()):
        if line["what"] == "started":
            # Nobody saw the end of what was under way when the server before this one was killed.
            for call in open_calls.values():
                call.end, call.outcome = line["at"], "cut"
            open_calls = {}
        elif line["what"] == "begun":
            name = analysis_of.get(line["body_sha256"], f"unknown {line['body_sha256'][:12]}")
            open_calls[line["call"]] = call = Call(name, line["port"], line["at"])
            calls[name].append(call)
        else:
            call = open_calls.pop(line["call"])
            call.end, call.outcome = line["at"], line["what"]
    return calls


def count_overlaps(calls: dict[str, list[Call]], faults: Iterable[Fault]) -> tuple[int, int]:
    """Calls of one analysis that were in flight together: (where a worker was frozen, where none was)."""
    frozen = [fault for fault in faults if fault.kind == "worker frozen"]
    excused = others = 0
    for of_one in calls.values():
        for first, second in pairwise(of_one):
            if second.begun < first.end:
                known = any(first.was_hit_by(fault) or second.was_hit_by(fault) for fault in frozen)
                excused, others = excused + known, others + (not known)
    return excused, others


def recoveries(changes: dict[str, list[Change]], calls: dict[str, list[Call]], faults: list[Fault]) -> list[float]:
    """Seconds from each kill -9 of a model worker until each analysis in its hands ran again, or had its end."""
    found = []
    for fault in faults:
        if fault.kind != "worker killed":
            continue
        for analysis, of_one in calls.items():
            if not any(call.was_hit_by(fault) and call.begun <= fault.at <= call.end for call in of_one):
                continue
            after = [change for change in changes.get(analysis, []) if change.at > fault.at]
            again = next((change.at for change in after if change.status != "queued" and change.was == "queued"), None)
            ended = next((change.at for change in after if change.status not in ("queued", "running")), None)
            found.append(min(again or NEVER, ended or NEVER) - fault.at)
    return sorted(found)


def rerings(changes: dict[str, list[Change]], faults: list[Fault]) -> list[float]:
    """Seconds from each loss of Redis until each analysis whose message was lost was rung for again, or was taken."""
    found = []
    for fault in faults:
        if fault.kind not in ("redis wiped", "redis restarted"):
            continue
        for of_one in changes.values():
            before = [change for change in of_one if change.at <= fault.at]
            if not before or before[-1].status != "queued" or before[-1].rung is None:
                continue
            after = [change for change in of_one if change.at > fault.at]
            again = [change.at for change in after if change.status != "queued" or change.rung != before[-1].rung]
            found.append((again[0] if again else NEVER) - fault.until)
    return sorted(found)
