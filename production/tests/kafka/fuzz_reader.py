"""Fuzz reader: mutated records through the consumer's record reader, in a process that may die or grow of it.

`python -m production.tests.kafka.fuzz_reader PAYLOAD NUMBER SEED` prints one line of JSON when it survives.
"""

import itertools
import json
import re
import resource
import sys
import time
import traceback
from collections import Counter
from functools import lru_cache
from pathlib import Path

import django

WARM_UP = 2_000
SCHEMAS_KEPT = 200
STATUS = Path("/proc/self/status")
# What getrusage counts in bytes where there is no /proc.
PER_MB = 1024 * 1024


def peak_mb():
    """The most memory this process had. Linux's getrusage counts its parent's in, from before it was this program."""
    if STATUS.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PER_MB


def records_of(payload, seed):
    """(the schema's text, the record) without end."""
    from production.tests.kafka.mutations import HEADER, avro_cases, json_cases

    if payload == "avro":
        yield from ((text, HEADER + value) for text, value in avro_cases(seed))
    else:
        yield from (("", value) for value in json_cases(seed))


def main(payload, number, seed):
    """Read them all; what became of them, the longest time of one, and the memory after a warm-up and at most."""
    django.setup()
    from production.ingest.avro import SchemaRefused, check_definition, parse_definition
    from production.ingest.contract import Refused
    from production.ingest.records import read_value
    from production.ingest.refusals import EventRefused

    @lru_cache(SCHEMAS_KEPT)
    def prepare(text):
        try:
            check_definition(text)
            return parse_definition(text)
        except SchemaRefused as refusal:
            return refusal

    def find_schema(text):
        found = prepare(text)
        if isinstance(found, SchemaRefused):
            raise EventRefused.because("schema_refused", 1, str(found))
        return found

    became, slowest, baseline = Counter(), 0.0, 0.0
    for index, (text, value) in enumerate(itertools.islice(records_of(payload, seed), WARM_UP + number)):
        if index == WARM_UP:
            baseline = peak_mb()
        began = time.perf_counter()
        try:
            found = read_value(payload, (value, "", None), lambda _, text=text: find_schema(text))
            became["refused" if any(isinstance(one, Refused) for one in found) else "read"] += 1
        except EventRefused as refusal:
            became[refusal.code] += 1
        except Exception:
            became["mistakes"] += 1
            traceback.print_exc()
        slowest = max(slowest, time.perf_counter() - began)
    told = {"became": became, "slowest_s": slowest, "baseline_mb": baseline, "grown_mb": peak_mb() - baseline}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
