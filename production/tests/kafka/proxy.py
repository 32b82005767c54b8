"""Proxy: a cable to a server that tests can pull and put back."""

import socket
from contextlib import suppress
from threading import Lock, Thread

from mesassist.servers.ports import HOST

CHUNK = 65_536


class Cable:
    """Forwards a loopback port to (host, port) until it is cut; then every connection ends and none is accepted."""

    def __init__(self, host, port):
        self.target = (host, int(port))
        self.lock, self.ends, self.is_cut = Lock(), set(), False
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def cut(self):
        with self.lock:
            self.is_cut = True
            ends, self.ends = self.ends, set()
        for end in ends:
            close(end)

    def mend(self):
        with self.lock:
            self.is_cut = False

    def close(self):
        self.cut()
        close(self.listener)

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near):
        with suppress(OSError):
            far = socket.create_connection(self.target)
            with self.lock:
                is_cut = self.is_cut
                self.ends |= set() if is_cut else {near, far}
            if not is_cut:
                Thread(target=self._pump, args=(far, near), daemon=True).start()
                self._pump(near, far)
                return
            close(far)
        close(near)

    def _pump(self, source, sink):
        with suppress(OSError):
            while data := source.recv(CHUNK):
                sink.sendall(data)
        for end in (source, sink):
            with self.lock:
                self.ends.discard(end)
            close(end)


def close(end):
    # Waking whoever waits for data there; closing alone would not.
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
