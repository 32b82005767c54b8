"""Disk full: nothing more is taken, nothing that was taken is lost, and with room again it goes on by itself."""

import datetime as dt
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from mesassist.tests.nemesis.clicks import MACHINES
from mesassist.tests.nemesis.portal import Portal
from mesassist.tests.nemesis.stage import open_stage, seed_plants
from mesassist.tests.nemesis.verdict import EVENTS, find_broken_rows

pytestmark = pytest.mark.faults
DISK_MB, LEFT_MB = 400, 12
BATCH = 500
# Plenty of batches for the megabytes that are left, and for a write-ahead log that had some in hand.
MOST_BATCHES = 400


@pytest.fixture
def small_disk():
    """A file system of its own in memory; only root may mount one."""
    with tempfile.TemporaryDirectory() as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "tmpfs", name]
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("A small disk can only be mounted by root, where mounting is allowed.")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


@pytest.fixture
def portal(small_disk):
    """Web and database on the small disk, one plant."""
    with open_stage(lease_s=10, folder=small_disk) as stage:
        plants = seed_plants(stage, ("alfa",))
        stage.start("web")
        portal = Portal(stage, plants)
        portal.wait(lambda: stage.says("/healthz"), within_s=60, what="the portal serves")
        yield portal


def fill(disk):
    """A file that leaves only so much."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - LEFT_MB * 1024 * 1024)
    return ballast


def batch(number):
    """Measurements of the last hours."""
    now = dt.datetime.now(dt.UTC)
    return [
        {
            "event_id": f"full-{number}-{step}",
            "machine": MACHINES[step % 3],
            "at": (now - dt.timedelta(minutes=step + 1)).isoformat(),
            "kind": "measurement",
            "name": "temperature",
            "value": step,
        }
        for step in range(BATCH)
    ]


def send(portal, number):
    return portal.door.post("events/", key=portal.plants[0].key, body={"events": batch(number)})


class TestDiskFull:
    def test_events_are_refused_with_503_and_taken_again_once_there_is_room(self, portal, small_disk):
        ballast = fill(small_disk)
        taken = 0
        while (answer := send(portal, taken))[0] == 200:
            taken += 1
            assert taken < MOST_BATCHES, "the disk is not full"
        assert (answer[0], answer[1]["code"]) == (503, "unavailable")
        assert portal.door.faulty == []
        ballast.unlink()
        # A database that had no room for its log has stopped; whoever runs it starts it again.
        portal.stage.postgres.ensure_running()
        portal.wait(lambda: send(portal, taken)[0] == 200, within_s=60, what="events are taken again")
        with portal.stage.look() as connection:
            stored = connection.execute(EVENTS).fetchall()
        assert stored == [("alfa", (taken + 1) * BATCH, (taken + 1) * BATCH)]
        assert find_broken_rows(portal.stage) == []
