#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
test_farm.py - examples/farm by plain HTTP: who is let in, what is refused, what the buttons do, how it ends.

  test_farm.py FARM GUEST [NAME...]     all, or those whose names hold a NAME

GUEST is tests/guests/worker.c. Exit status: 0, 1, or 77 where there is no KVM to run it on.
"""
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from farm_server import Server, SLOW

ACTIONS = "pause", "resume", "stop", "crash", "restart"
INSIDE = ["/api/guests", "/api/stream", "/metrics", "/api/guests/w-1/console", "/api/guests/w-1/crash-record",
          *("/api/guests/w-1/" + a for a in ACTIONS), "/api/guests/nobody/pause", "/nothing"]
shared = None       # a server for tests that leave it as it was


# ---- who is let in ----

def without_the_token_there_is_only_the_page():
    for url in INSIDE:
        for method in "GET", "POST":
            got = shared.ask(method, url, token=False)
            assert got.status == 401 and "token" in got.words, (method, url, got.status)
            assert "Bearer" in got.headers["WWW-Authenticate"]
    for url, kind in ("/", "text/html"), ("/farm.js", "text/javascript"), ("/farm.css", "text/css"), \
            ("/xterm.js", "text/javascript"), ("/xterm.css", "text/css"), ("/plots.js", "text/javascript"):
        got = shared.get(url, token=False)
        assert got.status == 200 and got.headers["Content-Type"].startswith(kind) and len(got.body) > 500, url
        assert shared.token not in got.words
        assert "default-src 'none'" in got.headers["Content-Security-Policy"]
        assert got.headers["X-Content-Type-Options"] == "nosniff"


def a_wrong_token_is_no_token():
    right = shared.token
    others = [right[:i] + ("0" if right[i] != "0" else "1") + right[i + 1:] for i in (0, 1, 15, 31)]
    for token in *others, right[:-1], right + "0", right.upper() + "!", "x" * 32, "0", right[::-1] + "z":
        assert shared.get("/api/guests", token=token).status == 401, token
        assert shared.post("/login", token, token=False).status == 401, token
    assert shared.get("/api/guests", token=False, headers={"Authorization": right}).status == 401
    assert shared.get("/api/guests", token=False, headers={"Authorization": "Basic " + right}).status == 401
    assert shared.get("/api/guests?token=" + right, token=False).status == 401
    assert shared.post("/login", token=False).status == 401
    assert shared.get("/api/guests").status == 200


def login():
    got = shared.post("/login", shared.token, token=False, headers={"Origin": shared.url})
    assert got.status == 200, got.words
    return got.headers["Set-Cookie"]


def the_token_buys_a_cookie_that_is_not_the_token():
    cookie = login()
    name_value, *attributes = [part.strip() for part in cookie.split(";")]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes), cookie
    assert shared.token not in cookie
    for value, status in (name_value, 200), ("a=b; " + name_value + "; c=d", 200), (name_value + "0", 401), \
            (name_value[:-1], 401), (name_value.split("=")[0] + "=", 401), ("x" + name_value, 401), \
            (name_value.split("=")[0] + "=" + shared.token, 401):
        got = shared.get("/api/guests", token=False, headers={"Cookie": value})
        assert got.status == status, (value, got.status)


def a_page_from_elsewhere_can_do_nothing():
    cookie = login().split(";")[0]
    url = "/api/guests/w-1/resume"
    for origin in None, "null", "http://evil.example", f"http://127.0.0.1:{shared.port + 1}", "http://127.0.0.1", \
            f"http://localhost:{shared.port}", shared.url + ".evil.example":
        headers = {"Cookie": cookie} | ({"Origin": origin} if origin else {})
        got = shared.post(url, token=False, headers=headers)
        assert got.status == 403 and "elsewhere" in got.words, (origin, got.status)
        if origin:
            assert shared.post("/login", shared.token, token=False, headers={"Origin": origin}).status == 403
            assert shared.post(url, headers={"Origin": origin}).status == 403
    assert shared.post(url, token=False, headers={"Cookie": cookie, "Origin": shared.url}).status == 200
    assert shared.post(url).status == 200


def a_name_that_somebody_made_to_point_here_is_refused():
    cookie = login().split(";")[0]
    for host in "evil.example", f"evil.example:{shared.port}", "127.0.0.1.evil.example", "localhost.evil.example", "", \
            "127.0.0.1:80:90", "127.0.0.1@evil.example", "[::1", "x" * 300:
        for url in "/", "/api/guests":
            got = shared.get(url, headers={"Host": host, "Cookie": cookie})
            assert got.status in (421, 400), (host, got.status)
        got = shared.post("/api/guests/w-1/stop", headers={"Host": host, "Origin": "http://" + host})
        assert got.status in (421, 400), (host, got.status)
    for host in "localhost", f"LOCALHOST:{shared.port}", "127.0.0.1", "[::1]:1234", "10.1.2.3", "farm.example", \
            "Farm.Example:99":
        assert shared.get("/api/guests", headers={"Host": host}).status == 200, host
    with socket.create_connection(("127.0.0.1", shared.port)) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 421 " in s.recv(100)
    assert shared.guests()["w-1"]["state"] == "running"


# ---- what is refused ----

def looking_does_nothing():
    before = shared.guests()
    for action in ACTIONS:
        for method in "GET", "HEAD", "PUT", "DELETE", "OPTIONS":
            got = shared.ask(method, f"/api/guests/w-1/{action}")
            assert got.status == 405 and got.headers["Allow"] == "POST", (method, action, got.status)
    for url in "/", "/api/guests", "/metrics", "/api/stream", "/api/guests/w-1/crash-record":
        got = shared.post(url)
        assert got.status == 405 and got.headers["Allow"] == "GET", url
    got = shared.get("/login")
    assert got.status == 405 and got.headers["Allow"] == "POST"
    assert shared.ask("PUT", "/api/guests/w-1/console", b"panic\r").status == 405
    time.sleep(0.5)
    after = shared.guests()
    for name in before:
        assert after[name]["state"] == "running" and after[name]["starts"] == before[name]["starts"]


def what_is_not_there_is_told():
    for url in "/nothing", "/api", "/api/guests/", "/api/guests/nobody", "/api/guests/nobody/pause", "/api/guests/w-1", \
            "/api/guests/w-1/", "/api/guests/w-1/explode", "/api/guests/w-1/pause/x", "/../etc/passwd", \
            "/api/guests/" + "x" * 2000 + "/pause", "/farm.js/x":
        for method in "GET", "POST":
            got = shared.ask(method, url)
            assert got.status == 404 and got.words.strip(), (method, url, got.status)
            assert "<" not in got.words


def a_request_that_is_too_large_is_refused():
    typed = "/api/guests/w-1/console"
    for body in b"x" * 4097, b"x" * 1000000:
        try:
            got = shared.post(typed, body)
        except (BrokenPipeError, ConnectionResetError):
            continue        # it did not wait for the rest
        assert got.status == 413 and "4096" in got.words, got.status
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10 * SLOW) as s:
        s.sendall(f"POST {typed} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n".encode())
        assert b" 413 " in s.recv(100), "it waits for what it will not take"
    connection = shared.connect()
    connection.request("POST", typed, iter([b"x" * 1000] * 5), {"Authorization": "Bearer " + shared.token},
                       encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    got = shared.get("/api/guests", headers={"X": "y" * 30000})
    assert got.status in (413, 431), got.status
    assert shared.get("/" + "x" * 40000).status in (413, 414, 431)


def a_body_without_end_is_cut_off():
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20 * SLOW) as s:
        s.sendall(f"POST /api/guests/w-1/console HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {shared.token}\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        try:
            while sent < 10 << 20:
                s.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
                sent += 1024
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 10 << 20


def what_makes_no_sense_is_refused():
    for text in b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50, b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", \
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\x16\x03\x01" + b"\x99" * 200:
        with socket.create_connection(("127.0.0.1", shared.port), timeout=2 * SLOW) as s:
            try:
                s.sendall(text)
                s.shutdown(socket.SHUT_WR)
                assert b" 200 " not in s.recv(4096).split(b"\r\n")[0]
            except (ConnectionResetError, TimeoutError):
                pass        # what may become a request yet is waited for
    assert shared.get("/api/guests").status == 200


# ---- many at once ----

def many_ask_at_once():
    wrong = []

    def work():
        try:
            connection = shared.connect()
            for url in ["/api/guests", "/metrics", "/api/guests/w-1/console", "/"] * 5:
                connection.request("GET", url, headers={"Authorization": "Bearer " + shared.token})
                got = connection.getresponse()
                if got.status != 200 or not got.read():
                    wrong.append((url, got.status))
            connection.close()
        except OSError as e:
            wrong.append(e)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong
    shared.until_working()


def connections_are_bounded_and_those_that_wait_get_their_turn():
    idle = [socket.create_connection(("127.0.0.1", shared.port)) for _ in range(150)]
    time.sleep(0.3)
    fds = len(os.listdir(f"/proc/{shared.process.pid}/fd"))
    for s in idle:
        s.close()
    assert shared.get("/api/guests").status == 200
    left = len(os.listdir(f"/proc/{shared.process.pid}/fd"))
    assert 100 < fds - left <= 128, (fds, left)


def open_stream():
    s = socket.create_connection(("127.0.0.1", shared.port), timeout=20 * SLOW)
    s.sendall(f"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {shared.token}\r\n\r\n".encode())
    return s


def streams_are_bounded_and_one_that_nobody_reads_holds_up_nobody():
    streams = [open_stream() for _ in range(40)]
    first = [s.recv(12) for s in streams]
    assert sum(f.endswith(b"200") for f in first) == 32 and sum(f.endswith(b"503") for f in first) == 8, first
    time.sleep(2)
    shared.until_working()
    for s in streams:
        s.close()
    end = time.monotonic() + 20 * SLOW
    while b"libvmm_farm_pages 0\n" not in shared.get("/metrics").body:
        assert time.monotonic() < end, "streams that were closed are still held"
        time.sleep(0.2)


def a_stream_tells_of_states_and_consoles():
    with open_stream() as s:
        said = b""
        end = time.monotonic() + 20 * SLOW
        while said.count(b"event: state\n") < 3 or said.count(b"event: console\n") < 10:
            assert time.monotonic() < end, said[-500:]
            said += s.recv(65536)
    assert b'"guest":"w-1"' in said and b'"guest":"w-2"' in said


# ---- the buttons ----

def each_button_does_its_work():
    with Server() as s:
        s.until_working()
        assert s.post("/api/guests/w-1/pause").status == 200
        s.until_state("w-1", "paused")
        still = s.guests()["w-1"]["disk_written"]
        s.until_working("w-2")
        assert s.guests()["w-1"]["disk_written"] == still
        assert s.post("/api/guests/w-1/resume").status == 200
        s.until_working()
        assert s.post("/api/guests/w-1/restart").status == 200
        s.until(lambda g: s.console("w-1").count(b"guest is ready") == 2, "a reset")
        assert s.post("/api/guests/w-1/stop").status == 200
        s.until_state("w-1", "stopped")
        time.sleep(1)       # and the supervisor leaves it alone
        assert s.guests()["w-1"]["state"] == "stopped"
        for action in "pause", "resume", "crash":
            got = s.post(f"/api/guests/w-1/{action}")
            assert got.status == 409 and "w-1 is stopped" in got.words, (action, got.status, got.words)
        assert s.post("/api/guests/w-1/restart").status == 200
        s.until_working()
        assert s.get("/api/guests/w-1/crash-record").status == 404


def a_crashed_guest_comes_back_and_the_others_go_on():
    with Server(3) as s:
        s.until_working()
        assert s.post("/api/guests/w-2/pause").status == 200       # one that stands still can be crashed too
        s.until_state("w-2", "paused")
        for n, name in enumerate(("w-1", "w-2", "w-1"), 1):
            before = s.guests()
            assert s.post(f"/api/guests/{name}/crash").status == 200
            s.until(lambda g, b=before, who=name: g[who]["crashes"] > b[who]["crashes"], "a crash")
            s.until_working("w-3")
            s.until(lambda g, b=before, who=name: g[who]["restarts"] > b[who]["restarts"] and
                    g[who]["state"] == "running", "a restart")
            s.until_working(name)
            got = s.get(f"/api/guests/{name}/crash-record")
            assert got.status == 200 and "rip        00000000d0000000" in got.words, got.words
            assert "flushed" in got.words, "the console's last lines"
        assert s.guests()["w-3"]["starts"] == 1
        assert re.search(rb"going on after [1-9]", s.console("w-1"))


def what_is_typed_arrives():
    with Server(1) as s:
        s.until_working()
        got = s.post("/api/guests/w-1/console", b"hello\r")
        assert got.status == 200 and b'"taken":6' in got.body, got.body
        s.until(lambda _: b"hello\r\npoweroff, reboot" in s.console("w-1"), "an answer")
        s.post("/api/guests/w-1/console", b"panic\r")
        s.until(lambda g: g["w-1"]["crashes"] == 1 and g["w-1"]["restarts"] == 1, "a panic and a restart")
        s.until_working()
        s.post("/api/guests/w-1/console", b"fault\r")
        s.until(lambda g: g["w-1"]["crashes"] == 2 and g["w-1"]["restarts"] == 2, "a triple fault and a restart")
        s.until_working()
        s.post("/api/guests/w-1/console", b"poweroff\r")
        s.until_state("w-1", "stopped")
        assert s.guests()["w-1"]["crashes"] == 2
        at = int(s.get("/api/guests/w-1/console").headers["X-Position"])
        assert s.get(f"/api/guests/w-1/console?from={at - 5}").body == s.console("w-1")[-5:]
        assert s.get(f"/api/guests/w-1/console?from={at + 99}").body == b""


def guests_have_what_the_configuration_gives_them():
    more = (f"[guest v]\nkernel = {Server.guest}\nconsole = virtio\nnet = user\nwatchdog = reset\nrestart = never\n"
            f"cpus = 2\nmemory = 32M\n[guest alone]\nkernel = {Server.guest}\nready = the guest is ready\n")
    with Server(1, more=more) as s:
        got = s.until(lambda g: g["alone"]["printed"] > 100 and g["v"]["cpu_ns"] > 10**7, "output")
        assert (got["v"]["cpus"], got["v"]["ram"]) == (2, 32 << 20)
        assert got["v"]["printed"] == 0, "the worker speaks on the serial port, which it has not got"
        assert b"counted 2\r\n" in s.console("alone")
        assert "ready" in got["alone"]["last"], got["alone"]["last"]
        assert got["alone"]["disk_written"] == got["alone"]["net_out"] == 0
        s.until(lambda g: g["v"]["net_out"] > 600, "frames into the user-mode network")
        s.post("/api/guests/v/crash")
        s.until_state("v", "stopped")
        time.sleep(1)
        assert s.guests()["v"]["state"] == "stopped", "it is never to be started again"


def metrics_are_what_prometheus_reads():
    shared.until_working()
    first, second = {}, {}
    for values in first, second:
        got = shared.get("/metrics")
        assert got.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        types = {}
        for line in got.words.splitlines():
            if line.startswith("# TYPE "):
                types[line.split()[2]] = line.split()[3]
            elif not line.startswith("# HELP "):
                found = re.fullmatch(r'([a-z_]+)((?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})?) ([0-9.]+)', line)
                assert found and found[1] in types, line
                values[found[1] + found[2]] = (types[found[1]], float(found[3]))
        shared.until_working()
    assert first.keys() == second.keys()
    for name, (kind, value) in second.items():
        assert kind != "counter" or value >= first[name][1], name
    for name in "cpu_seconds", "disk_written_bytes", "network_sent_bytes", "console_bytes", "network_received_bytes":
        key = f'libvmm_guest_{name}_total{{guest="w-2"}}'
        assert second[key][1] > first[key][1], key
    assert second['libvmm_guest_state{guest="w-1",state="running"}'][1] == 1
    assert second['libvmm_guest_state{guest="w-1",state="stopped"}'][1] == 0
    assert second['libvmm_guest_cpu_seconds_total{guest="w-1"}'][1] < 3600


# ---- its end ----

def a_signal_ends_it_cleanly():
    for number in signal.SIGINT, signal.SIGTERM:
        with Server() as s:
            s.until_working()
            with socket.create_connection(("127.0.0.1", s.port)) as stream:
                stream.sendall(f"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {s.token}\r\n\r\n".encode())
                stream.recv(1000)
                s.post("/api/guests/w-1/pause")
                assert s.ends(number) == 0
                end = time.monotonic() + 10
                while stream.recv(65536):
                    assert time.monotonic() < end
            assert s.process.stderr.read() == b""


def check_disk(folder, n, acknowledged):
    """Each number that the guest said was safe is in its place, or a later one of that place is."""
    with open(f"{folder}/disk-{n}", "rb") as file:
        disk = file.read()
    sectors = len(disk) // 512
    for number in acknowledged[-sectors:]:
        at = number % sectors * 512
        found, check = (int.from_bytes(disk[at + i:at + i + 8], "little") for i in (0, 8))
        assert found ^ check == (1 << 64) - 1, f"sector {number % sectors} of disk {n} is torn"
        assert found >= number and found % sectors == number % sectors, f"{number} is lost: {found}"


def what_was_flushed_outlives_a_killed_server():
    with tempfile.TemporaryDirectory(prefix="farm-test.") as folder:
        highest = {}
        for round_ in range(3):
            with Server(4, folder=folder) as s:
                s.until_working()
                for n, number in highest.items():
                    found = s.until(lambda _, n=n: re.search(rb"going on after (\d+)\r", s.console(f"w-{n}")), "a number") and \
                        re.search(rb"going on after (\d+)\r", s.console(f"w-{n}"))
                    assert int(found[1]) >= number, f"guest {n} goes on after {int(found[1])}, and had {number}"
                s.until(lambda _: all(s.console(f"w-{n}").count(b"flushed") > 3 for n in range(1, 5)), "numbers")
                time.sleep(0.37 * round_)
                said = {n: [int(x) for x in re.findall(rb"flushed (\d+),", s.console(f"w-{n}"))] for n in range(1, 5)}
                s.process.send_signal(signal.SIGKILL)
                s.process.wait()
                for n, numbers in said.items():
                    assert len(numbers) > 3, numbers
                    check_disk(folder, n, numbers)
                    highest[n] = numbers[-1]


# ---- words ----

def say(*options):
    return subprocess.run([Server.program, *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SLOW)


def a_configuration_that_is_wrong_is_told_with_its_line():
    guest = f"[guest a]\nkernel = {Server.guest}\n"
    table = [
        ("", b"no guest"), ("nonsense\n", b":1: nonsense: key = value"), ("[guest]\n", b"[guest NAME]"),
        ("[guest a b]\n", b"[guest NAME]"), ("[guest a", b"[guest NAME]"), ("[guest ../a]\n", b"[guest NAME]"),
        ("# x\n\ncolour = red\n", b":3: key colour"), (guest + "colour = red\n", b":3: key colour"),
        (guest + "memory =\n", b"memory: a value"), (guest + "memory = lots\n", b"memory lots: a size such as 64M"),
        (guest + "memory = 99999999999999T\n", b"a size"), (guest + "cpus = 0\n", b"1 to 255"), (guest + "cpus = 256\n", b"1 to 255"),
        (guest + "count = 257\n", b"1 to 256"), (guest + "count = 200\n[guest b]\nkernel = x\ncount = 100\n", b"1 to 256 guests"),
        (guest + "net = wifi\n", b"one of none user switch"), (guest + "restart = maybe\n", b"never on-failure always"),
        (guest + "watchdog = dog\n", b"one of none reset stop notify"), (guest + "console = tv\n", b"serial virtio"),
        (guest + guest, b"a name that no other"), ("[guest a]\n", b"kernel = PATH"),
        (guest + "disk = d\ncount = 2\n", b"%n"), (guest + "disk-size = 1M\n", b"disk = PATH beside"),
        (guest + "count = 2\n[guest a-1]\nkernel = " + Server.guest + "\n", b"two guests are called a-1"),
        ("[guest a]\nkernel = /nonexistent\n", b"guest a: cannot boot: cannot open the kernel /nonexistent"),
        (guest + "disk = /nonexistent/d\n", b"guest a: disk"), (guest + "disk = /nonexistent/d\ndisk-size = 1M\n", b"No such file"),
        (guest + "memory = 900T\n", b"guest a: cannot make it"), ("listen = here\n" + guest, b"ADDRESS:PORT"),
        ("listen = 127.0.0.1:70000\n" + guest, b"ADDRESS:PORT"), ("listen = 192.0.2.1:80\n" + guest, b"cannot listen at 192.0.2.1:80"),
        ("token-file = /nonexistent\n" + guest, b"token file /nonexistent: No such file"),
        ("host = a\n" * 9 + guest, b":9: host a: at most 8 hosts"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/farm.conf"
        for text, words in table:
            with open(path, "w", encoding="ascii") as file:
                file.write(("" if "listen" in text else "listen = 127.0.0.1:0\n") + text if words[:1] != b":" else text)
            got = say(path)
            assert got.returncode == 1 and words in got.stderr and not got.stdout, (text, got)
            assert got.stderr.startswith(b"farm: "), got
    assert b"/nonexistent: No such file" in say("/nonexistent").stderr
    for options in [], ["--unknown"], ["a", "b"]:
        assert say(*options).returncode == 2
    assert say("--help").returncode == 0


def a_token_file_is_the_owners_alone():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/token"
        for text, mode, words in ("x" * 15, 0o600, b"16 to 128"), ("x" * 129, 0o600, b"16 to 128"), ("x" * 20, 0o640, b"chmod 600"), \
                ("x" * 20, 0o604, b"chmod 600"), ("x" * 10 + " " + "x" * 10, 0o600, b"one word"), ("", 0o600, b"16 to 128"), \
                ("x" * 16 + "\0" + "y", 0o600, b"one word"):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(path, mode)
            got = say("--token-file", path, shared.config)
            assert got.returncode == 1 and words in got.stderr, (text, mode, got)
        assert b"token file" in say("--token-file", folder, shared.config).stderr
        with open(path, "w", encoding="ascii") as file:
            file.write("my-own-token-of-some-length\n")
        os.chmod(path, 0o600)
        with Server(1, options=("--token-file", path)) as s:
            assert s.token == ""
            assert s.get("/api/guests", token="my-own-token-of-some-length").status == 200
            assert s.get("/api/guests", token="my-own-token-of-some-lengtH").status == 401


def an_address_in_use_is_told():
    got = say("--listen", f"127.0.0.1:{shared.port}", shared.config)
    assert got.returncode == 1 and b"Address already in use" in got.stderr, got


TESTS = [value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == __name__
         and value.__name__ not in ("Server", "login", "open_stream", "check_disk", "say")]


def main():
    global shared
    Server.program, Server.guest = map(os.path.abspath, sys.argv[1:3])
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("there is no /dev/kvm")
        return 77
    failed = 0
    with Server(2, top="host = farm.example") as shared:
        for test in TESTS:
            if sys.argv[3:] and not any(n in test.__name__ for n in sys.argv[3:]):
                continue
            start = time.monotonic()
            try:
                test()
                print(f"ok   {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
            except (AssertionError, OSError, http.client.HTTPException, subprocess.TimeoutExpired):
                failed += 1
                print(f"FAIL {test.__name__}", flush=True)
                traceback.print_exc(file=sys.stdout)
        if shared.process.poll() is not None:
            failed += 1
            print(f"FAIL the server ended with {shared.process.returncode}: {shared.process.stderr.read()}")
    return 1 if failed else 0


sys.exit(main())
