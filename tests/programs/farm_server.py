# SPDX-License-Identifier: MIT
"""farm_server.py - examples/farm under test: started, asked, ended."""
import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

SLOW = int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))


class Answer:
    def __init__(self, got):
        self.status = got.status
        self.headers = got.headers
        self.body = got.read()

    @property
    def words(self):
        return self.body.decode(errors="replace")


class Server:
    """The program with @count workers, each with a disk, on one network; or with the guests of @text."""

    program = guest = None      # set by the test

    def __init__(self, count=2, more="", top="", folder=None, options=(), text=None):
        self.keep = folder is not None
        self.folder = folder or tempfile.mkdtemp(prefix="farm-test.")
        self.config = self.folder + "/farm.conf"
        with open(self.config, "w", encoding="ascii") as file:
            file.write(f"listen = 127.0.0.1:0\n{top}\n")
            file.write(text or f"[guest w]\nkernel = {self.guest}\nmemory = 16M\ncount = {count}\ndisk = disk-%n\n"
                       f"disk-size = 32K\nnet = switch\nbackoff-ms = 300\n{more}\n")
        self.process = subprocess.Popen([self.program, *options, self.config], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        try:
            said = self._line()
            found = re.search(rb"http://(127\.0\.0\.1:(\d+))/(?:#([0-9a-f]{32}))?", said)
            assert found, (said, self.process.stderr.read())
        except BaseException:
            self.__exit__()
            raise
        self.host, self.port = found[1].decode(), int(found[2])
        self.token = (found[3] or b"").decode()
        self.url = f"http://{self.host}"

    def _line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 20 * SLOW)
        assert ready, "it says nothing"
        return self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        if not self.keep:
            shutil.rmtree(self.folder)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW)

    def ask(self, method, url, body=None, token=True, headers=None):
        """One request; @token: ours, another, or none."""
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = "Bearer " + (self.token if token is True else token)
        connection = self.connect()
        try:
            connection.request(method, url, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, url, **more):
        return self.ask("GET", url, **more)

    def post(self, url, body=b"", **more):
        return self.ask("POST", url, body, **more)

    def guests(self):
        return {g["name"]: g for g in json.loads(self.get("/api/guests").body)["guests"]}

    def console(self, name):
        return self.get(f"/api/guests/{name}/console").body

    def until(self, true, what, seconds=20):
        """Wait until @true(guests)."""
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            guests = self.guests()
            if true(guests):
                return guests
            time.sleep(0.05)
        raise AssertionError(f"{what} did not come; {guests}")

    def until_state(self, name, state):
        return self.until(lambda g: g[name]["state"] == state, f"{name} {state}")

    def until_working(self, *names):
        """Each writes to its disk, prints, and hears others."""
        before = self.guests()
        keys = "disk_written", "printed", "net_out", "cpu_ns"
        return self.until(lambda now: all(now[n][k] > before[n][k] for n in names or now for k in keys), "work")

    def ends(self, number=signal.SIGINT):
        """By a signal, cleanly: its exit status."""
        self.process.send_signal(number)
        return self.process.wait(20 * SLOW)
