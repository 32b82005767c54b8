"""Mock broker: librdkafka's own Kafka in a process of its own, so that it survives whoever it serves.

`python -m production.tests.kafka.mock_broker` prints the address and then answers one line on standard output to each
line on standard input (`topic NAME PARTITIONS`, `down`, `up`); it ends when its standard input does. The wheel of
confluent-kafka has no Python names for this part of librdkafka, hence ctypes.
"""

import ctypes
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PRODUCER = 0
EVERY_BROKER = -1
ERROR_BYTES = 512
# The default of three seconds is meant for consumers on many hosts; here it would only be waited for.
REBALANCE_DELAY_MS = 50


def find_library() -> Path:
    """librdkafka in the wheel of confluent-kafka (Linux and macOS keep it in different folders)."""
    spec = find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise LookupError("confluent-kafka is not installed.")
    package = Path(spec.origin).parent
    for folder in (package.with_name("confluent_kafka.libs"), package / ".dylibs"):
        for path in folder.glob("librdkafka*"):
            return path
    raise LookupError(f"There is no librdkafka beside {package}.")


class MockCluster:
    """One broker that keeps everything in memory: at most 100,000 records or 5 MB of a partition."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(str(find_library()))
        self.library.rd_kafka_conf_new.restype = ctypes.c_void_p
        self.library.rd_kafka_new.restype = ctypes.c_void_p
        self.library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
        self.library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        error = ctypes.create_string_buffer(ERROR_BYTES)
        settings = ctypes.c_void_p(self.library.rd_kafka_conf_new())
        # Silent: the handle itself never connects anywhere, and librdkafka warns about that.
        self.library.rd_kafka_conf_set(settings, b"log_level", b"0", error, ERROR_BYTES)
        handle = self.library.rd_kafka_new(PRODUCER, settings, error, ctypes.c_size_t(ERROR_BYTES))
        if not handle:
            raise RuntimeError(error.value.decode())
        self.cluster = ctypes.c_void_p(self.library.rd_kafka_mock_cluster_new(ctypes.c_void_p(handle), 1))
        self.library.rd_kafka_mock_group_initial_rebalance_delay_ms(self.cluster, REBALANCE_DELAY_MS)

    @property
    def address(self) -> str:
        """host:port of the broker."""
        return self.library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def obey(self, words: list[str]) -> int:
        """Do what one line of the input says; 0, or librdkafka's error number."""
        match words:
            case ["topic", name, partitions]:
                return self.library.rd_kafka_mock_topic_create(self.cluster, name.encode(), int(partitions), 1)
            case ["down"]:
                return self.library.rd_kafka_mock_broker_set_down(self.cluster, EVERY_BROKER)
            case ["up"]:
                return self.library.rd_kafka_mock_broker_set_up(self.cluster, EVERY_BROKER)
        raise ValueError(f"unknown command {words}")


def serve(lines: Iterator[str]) -> None:
    """The address, then one answer per line."""
    cluster = MockCluster()
    answer(cluster.address)
    for line in lines:
        answer(cluster.obey(line.split()))


def answer(said: object) -> None:
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(iter(sys.stdin.readline, ""))
