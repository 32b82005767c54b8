"""Celery: the app, its queues and the whole timetable in one table."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesassist.settings")

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
    task_publish_retry=False,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 3600,
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
        "schedule": 5.0,
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
app.autodiscover_tasks(["analyses", "production"])
app.autodiscover_tasks(["mesassist"], related_name="selfcheck")
