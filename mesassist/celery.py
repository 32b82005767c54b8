"""Celery: the app, its queues and the whole timetable in one table."""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import worker_init

from mesassist.doorbell import stop_if_it_forgets

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesassist.settings")

VISIBLE_AGAIN_S = 3600
app = Celery("mesassist")
# The broker's address is read late: manage.py and the tests learn it from the embedded servers after this import.
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_serializer="json",
    accept_content=["json"],
    # Two queues: `model` waits for endpoints (threads), `compute` works (processes).
    task_default_queue="compute",
    task_routes={"analyses.tasks.run_analysis": {"queue": "model"}},
    # The row is the truth and the reaper re-rings: Redis is a doorbell, so its settings only bound waiting.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # Only the row decides whether anything is tried again.
    task_acks_on_failure=True,
    task_acks_on_timeout=True,
    task_publish_retry=False,
    # Processes only; threads have `mesassist.watchdog`. Nothing may take longer than a message stays invisible.
    task_time_limit=3300,
    worker_max_tasks_per_child=500,
    worker_soft_shutdown_timeout=20,
    worker_prefetch_multiplier=1,
    worker_direct=True,
    # A paid answer is not dropped because the doorbell is out of order for a moment.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_acquire_timeout=2,
    visibility_timeout=VISIBLE_AGAIN_S,
    broker_transport_options={
        "visibility_timeout": VISIBLE_AGAIN_S,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "max_connections": 250,
        # Without this a click waits six seconds for a broker that is down; rows are rung for again anyway.
        "max_retries": 0,
    },
    worker_hijack_root_logger=False,
    timezone="UTC",
)
app.conf.beat_schedule = {
    "ring for analyses that wait": {"task": "analyses.tasks.ring_waiting", "schedule": 2.0, "options": {"expires": 10}},
    "release analyses whose worker died": {
        "task": "analyses.tasks.reap_stale",
        # With the lease of 30 s a killed worker's analyses run again within 35.
        "schedule": 2.0,
        "options": {"expires": 10},
    },
    "fold touched buckets": {"task": "production.tasks.fold_all", "schedule": 10.0, "options": {"expires": 20}},
    "fold open states up to now": {"task": "production.tasks.fold_open", "schedule": 60.0, "options": {"expires": 60}},
    "make the next months' partitions": {
        "task": "production.tasks.keep_partitions",
        "schedule": crontab(minute=7),
        "options": {"expires": 3000},
    },
    "check what must always be true": {
        "task": "mesassist.selfcheck.check_all",
        "schedule": crontab(hour=3, minute=11),
        "options": {"expires": 3600},
    },
    "walk along the audit trail": {
        "task": "mesassist.audit.tasks.check_chains",
        "schedule": crontab(hour=3, minute=41),
        "options": {"expires": 3600},
    },
    "take up imports that stand still": {
        "task": "production.tasks.resume_stale_imports",
        "schedule": 10.0,
        "options": {"expires": 20},
    },
    "drop files that nobody works with": {
        "task": "production.tasks.drop_uploads",
        "schedule": crontab(minute=23),
        "options": {"expires": 3000},
    },
    "drop what tenants no longer keep": {
        "task": "production.tasks.drop_old",
        "schedule": crontab(hour=2, minute=37),
        "options": {"expires": 3600},
    },
}
app.autodiscover_tasks(["mesassist.audit", "analyses", "production"])
app.autodiscover_tasks(["mesassist"], related_name="selfcheck")
app.autodiscover_tasks(["mesassist"], related_name="watchdog")


@worker_init.connect
def check_keys(**_kwargs: Any) -> None:
    """A worker whose keys do not open this database's secrets does not start."""
    from mesassist.tenants.canary import stop_unless_fit

    stop_unless_fit()


@worker_init.connect
def check_doorbell(**_kwargs: Any) -> None:
    """A worker whose Redis may drop messages does not start."""
    stop_if_it_forgets(app.conf.broker_url)
