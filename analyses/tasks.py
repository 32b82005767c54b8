"""Tasks: the doorbell. A message carries ids only and says "look at that row"; losing all of them loses nothing."""

import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_process_init, worker_ready, worker_shutdown, worker_shutting_down

from analyses import runs
from analyses.clock import read_clock
from analyses.tokens import count_tokens
from analyses.wire import close_lines
from mesassist.tenants.tasks import TenantTask


@shared_task(name="analyses.tasks.run_analysis", base=TenantTask, acks_late=True)
def run_analysis(*, tenant_id: int, analysis_id: str) -> None:
    """Work on one analysis if it is due; a second delivery of the same message finds nothing to do."""
    runs.execute(analysis_id=analysis_id)
    runs.ring_next()


@shared_task(name="analyses.tasks.ring_waiting")
def ring_waiting() -> int:
    """Ring again for analyses that nobody has taken up."""
    return runs.ring(now=read_clock())


@shared_task(name="analyses.tasks.reap_stale")
def reap_stale() -> int:
    """Free the analyses of workers that died, and end those that waited too long."""
    return runs.reap(now=read_clock())


# Threads can be neither interrupted nor timed: each looks at this event while it waits, and hands its row back.
@worker_shutting_down.connect
def stop_running(**_kwargs: Any) -> None:
    """Ask every analysis of this worker to hand its row back."""
    runs.STOPPING.set()


@worker_shutdown.connect
def hang_up(**_kwargs: Any) -> None:
    """Close the connections to endpoints."""
    close_lines()


@worker_process_init.connect
@worker_ready.connect
def load_vocabulary(**_kwargs: Any) -> None:
    """It takes a second or more: better now, and beside everything else, than when a dead worker's rows wait."""
    threading.Thread(target=count_tokens, args=("",), daemon=True).start()
