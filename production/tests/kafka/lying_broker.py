"""Lying broker: speaks just enough Kafka to name itself and other brokers, at addresses that the test chooses."""

import socket
import struct
import threading
from contextlib import suppress

API_VERSIONS, METADATA = 18, 3
UNSUPPORTED_VERSION = 35
OFFERED = ((API_VERSIONS, 0, 0), (METADATA, 0, 1))


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def array(parts):
    return struct.pack(">i", len(parts)) + b"".join(parts)


class LyingBroker:
    """Listens on loopback; `brokers` is [(id, host, port)] as its metadata tell, the last one leads every topic."""

    def __init__(self, brokers=()):
        self.plug = socket.create_server(("127.0.0.1", 0))
        self.port = self.plug.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.brokers = [(1, "127.0.0.1", self.port), *brokers]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.plug.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.plug.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError, struct.error), connection, connection.makefile("rb") as stream:
            while True:
                (size,) = struct.unpack(">i", stream.read(4))
                request = stream.read(size)
                key, version, number = struct.unpack(">hhi", request[:8])
                body = self._answer(key, version, request[8:])
                if body is None:
                    return
                connection.sendall(struct.pack(">ii", 4 + len(body), number) + body)

    def _answer(self, key, version, rest):
        if key == API_VERSIONS:
            error = UNSUPPORTED_VERSION if version else 0
            return struct.pack(">h", error) + array([struct.pack(">hhh", *one) for one in OFFERED])
        if key == METADATA:
            return self._metadata(rest)
        return None

    def _metadata(self, rest):
        (length,) = struct.unpack(">h", rest[:2])
        rest = rest[2 + max(length, 0) :]
        (count,) = struct.unpack(">i", rest[:4])
        topics, rest = [], rest[4:]
        for _ in range(max(count, 0)):
            (length,) = struct.unpack(">h", rest[:2])
            topics.append(rest[2 : 2 + length].decode())
            rest = rest[2 + length :]
        leader = self.brokers[-1][0]
        partition = struct.pack(">hii", 0, 0, leader) + array([struct.pack(">i", leader)]) * 2
        brokers = [
            struct.pack(">i", node) + text(host) + struct.pack(">i", port) + struct.pack(">h", -1)
            for node, host, port in self.brokers
        ]
        named = [struct.pack(">h", 0) + text(topic) + b"\0" + array([partition]) for topic in topics]
        return array(brokers) + struct.pack(">i", 1) + array(named)
