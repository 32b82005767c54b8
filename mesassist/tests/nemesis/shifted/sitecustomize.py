"""Shifted: Python processes that find this folder in PYTHONPATH believe it is `NEMESIS_SHIFT_S` seconds later."""

import os
import time

SHIFT_S = float(os.environ.get("NEMESIS_SHIFT_S", "0"))

if SHIFT_S:
    import datetime as dt

    from django.utils import timezone

    true_time = time.time
    time.time = lambda: true_time() + SHIFT_S
    # datetime.now is C and asks the kernel; the portal asks Django for the time, so this is all that it can see.
    timezone.now = lambda: dt.datetime.now(dt.UTC) + dt.timedelta(seconds=SHIFT_S)
