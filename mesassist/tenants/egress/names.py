"""Names: what a host resolves to. The system's resolver knows no deadline, so it is asked from a thread of its own."""

import socket
from threading import Event, Thread


class NameLookup:
    """One question to the resolver: wait for `done`, then read `addresses`, or `fault` if there are none."""

    def __init__(self, host: str, port: int) -> None:
        self.addresses: list[str] = []
        self.fault: Exception | None = None
        self.done = Event()
        Thread(target=self._ask, args=(host, port), daemon=True).start()

    def _ask(self, host: str, port: int) -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self.addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))
        except (OSError, UnicodeError) as error:
            self.fault = error
        finally:
            self.done.set()


def find_addresses(host: str, port: int, *, within_s: float = 3.0) -> list[str]:
    """What the host leads to at the moment, each address once; nothing where that cannot be learnt in time."""
    lookup = NameLookup(host, port)
    lookup.done.wait(within_s)
    return lookup.addresses
