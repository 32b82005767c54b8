"""The command: `python -m offline_analyst --port N [--host H] [--faults] [--token KEY] [--delay S] [--journal F]`."""

import argparse
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import uvicorn

from offline_analyst.app import OfflineAnalyst
from offline_analyst.journal import Journal
from offline_analyst.tokens import load_encoding

BACKLOG = 2048


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m offline_analyst", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free port; the first output line names it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--faults", action="store_true", help="also offer the models that play the service's faults")
    parser.add_argument(
        "--token",
        default=os.environ.get("OFFLINE_ANALYST_TOKEN", ""),
        help="demand this key (default: OFFLINE_ANALYST_TOKEN; empty: no key is needed)",
    )
    parser.add_argument("--delay", type=float, default=0.015, help="seconds between the chunks of a streamed answer")
    parser.add_argument("--journal", type=Path, help="append each call's beginning and end to this file")
    parser.add_argument("--leave-with-parent", action="store_true", help="stop when standard input is closed")
    return parser.parse_args()


def open_door(host: str, port: int) -> socket.socket:
    """A listening socket: from here on connections wait in line and none is refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # asyncio switches Nagle's delay off only where the protocol is named; without this every answer waits 40 ms.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=door.detach())


def leave_with_parent(server: uvicorn.Server) -> None:
    """End the server when the parent is gone, even if it was killed: its end of our standard input closes then."""

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=wait_for_the_end, daemon=True).start()


def main() -> None:
    """Serve until told to stop."""
    chosen = read_arguments()
    doors = [open_door(chosen.host, chosen.port)]
    if chosen.faults:
        # The second door is where fault-redirect leads; only this machine may find it.
        doors.append(open_door("127.0.0.1", 0))
    app = OfflineAnalyst(
        faults=chosen.faults,
        token=chosen.token,
        delay=chosen.delay,
        elsewhere_port=doors[-1].getsockname()[1],
        journal=Journal(chosen.journal),
    )
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        # Cutting answers short is the point of the faults; uvicorn would log each as an error of the application.
        log_level="critical" if chosen.faults else "warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    load_encoding()
    if chosen.leave_with_parent:
        leave_with_parent(server)
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    sys.stdout.write(f"Offline analyst listens on http://{host}:{doors[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    # Ctrl-C is a way to end it, not an error.
    with suppress(KeyboardInterrupt):
        server.run(sockets=doors)


if __name__ == "__main__":
    main()
