"""Trial: decodes records in a process that may die of it, and says after each that it is still there.

It is told on standard input (`decoding.Job`) and answers on standard output: `+` when it begins, `.` after each record.
"""

import os
import sys
from contextlib import suppress

import django
import msgspec


def main() -> None:
    """Decode every record; whatever is refused in an orderly way was survived."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesassist.settings")
    django.setup()
    # Models can be imported only now.
    from production.ingest.avro import parse_definition
    from production.ingest.decoding import Job
    from production.ingest.records import read_value
    from production.ingest.refusals import EventRefused

    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    # Not looked at first: the consumer did, and if that missed something, this is the process to find out in.
    schemas = {schema_id: parse_definition(text) for schema_id, text in job.definitions.items()}
    os.write(sys.stdout.fileno(), b"+")
    for record in job.records:
        with suppress(EventRefused):
            read_value(job.payload, record, schemas.__getitem__)
        os.write(sys.stdout.fileno(), b".")


if __name__ == "__main__":
    main()
