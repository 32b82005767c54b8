"""Stand-ins for the portal's processes, and a launcher of them: `test_launch.py` runs this file as programs of its own.

`stub_launch.py launch HOME PLAN` carries out a plan (JSON); `stub_launch.py ROLE ...` is one of its processes. Each of
them keeps a shared lock of `HOME/alive`, so that a test sees whether any still lives.
"""

import fcntl
import http.server
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def launch(home, plan):
    from mesassist.crew import StopRequest
    from mesassist.launch import Plan, Step, carry_out

    described = json.loads(plan)
    described["steps"] = [Step(**step) for step in described["steps"]]
    stop = StopRequest()
    stop.install()
    sys.exit(carry_out(Plan(**described), environ=os.environ, home=Path(home), stop=stop))


def tell(text, stream=sys.stdout):
    stream.write(text + "\n")
    stream.flush()


def web(port):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/readyz" else 404)
            self.end_headers()

    http.server.HTTPServer(("127.0.0.1", int(port)), Page).serve_forever()


def serve():
    signal.pause()


def serve_with_child():
    subprocess.Popen(["sleep", "600"], close_fds=False)
    signal.pause()


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("I stay")
    while True:
        signal.pause()


def slow_to_stop():
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.5), os._exit(0)))
    signal.pause()


def die_at(file):
    while not Path(file).exists():
        time.sleep(0.05)
    tell("out of coal")
    sys.exit(3)


def say(text, code):
    tell(text)
    known = [os.environ[name] for name in ("DATABASE_URL", "OFFLINE_ANALYST_URL", "PORT")]
    tell(" ".join(known), sys.stderr)
    sys.exit(int(code))


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        launch(*sys.argv[2:])
    with Path(sys.argv[2]).open("a") as lock:
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        globals()[sys.argv[1]](*sys.argv[3:])
