"""Brokers: librdkafka's mock and a real Apache Kafka (KRaft, one node), driven alike by the tests."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from mesassist.servers.ports import HOST, choose_port
from production.tests.kafka.jars import fetch_jars

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 90
STOP_SECONDS = 30


class MockBroker:
    """librdkafka's broker in a process of its own; it ends with its standard input, so it cannot be left behind."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "production.tests.kafka.mock_broker"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self.address = self.process.stdout.readline().strip()

    def make_topic(self, name, partitions):
        self._tell(f"topic {name} {partitions}")

    def go_down(self):
        """Cut every connection and refuse new ones; what was stored stays."""
        self._tell("down")

    def come_back(self):
        self._tell("up")

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=STOP_SECONDS)
        self.process.stdout.close()

    def _tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "0":
            raise RuntimeError(f"the mock broker answers {answer!r} to {line!r}")


class ApacheBroker:
    """A real broker and controller in one Java process, in a temporary folder, with a small heap."""

    # Ends Java when our end of the pipe closes, however this process ends.
    KEEPER = '"$@" < /dev/null & read -r _; kill $!; wait $!'
    HEAP = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
    LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)

    def __init__(self) -> None:
        self.classes = f"{fetch_jars()}/*"
        self.folder = Path(tempfile.mkdtemp(prefix="mesassist-kafka-"))
        self.address = f"{HOST}:{choose_port()}"
        self.settings = self.folder / "server.properties"
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))
        self.log = self.folder / "kafka.log"
        self.process = None
        self._run_java("kafka.tools.StorageTool", "format", "-t", "mesassist-for-tests-00", "-c", str(self.settings))
        self.come_back()

    def make_topic(self, name, partitions):
        admin = AdminClient({"bootstrap.servers": self.address})
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(START_SECONDS)

    def go_down(self):
        """Stop the process; its folder keeps what was stored."""
        self.process.stdin.close()
        self.process.wait(timeout=STOP_SECONDS)

    def come_back(self):
        with self.log.open("ab") as log:
            command = ["sh", "-c", self.KEEPER, "keeper", *self._java("kafka.Kafka", str(self.settings))]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._wait_until_it_answers()

    def close(self):
        self.go_down()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settings(self):
        broker, controller = self.address, f"{HOST}:{choose_port()}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / "data",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "auto.create.topics.enable": "true",  # as the mock does, and most plants
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "log.cleaner.dedupe.buffer.size": 4_000_000,
        }

    def _java(self, *words):
        return ["java", *self.HEAP, *self.LOGGING, "-cp", self.classes, *words]

    def _run_java(self, *words):
        done = subprocess.run(self._java(*words), capture_output=True, text=True, timeout=START_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stdout}{done.stderr}")

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if admin.list_topics(timeout=2).brokers:
                    return
            except KafkaException:
                continue
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"Apache Kafka does not answer on {self.address}:\n{tail}")


KINDS = {"mock": MockBroker, "apache": ApacheBroker}
