#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
test_loops.py - guests driven by an event loop that is not the library's: they print, hear, stop, and cost nothing.

  test_loops.py GUEST PROGRAM...

GUEST is tests/programs/guest.S. Exit status: 0, 1, or 77 where there is no KVM to run it on.
"""
import os
import select
import signal
import subprocess
import sys
import time
import traceback

SLOW = int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))


class Run:
    def __init__(self, program, guest):
        self.process = subprocess.Popen([program, guest], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def expect(self, *lines):
        end = time.monotonic() + 20 * SLOW
        while not all(line in self.said for line in lines):
            assert select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0], (lines, self.said)
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, f"it ended without {lines}; it said {self.said}"
            self.said += more

    def type(self, keys):
        self.process.stdin.write(keys)
        self.process.stdin.flush()

    def ends(self, status):
        got = self.process.wait(20 * SLOW)
        assert got == status, f"it ended with {got}; it said {self.said}"

    def threads(self):
        folder = f"/proc/{self.process.pid}/task"
        names = []
        for task in os.listdir(folder):
            if int(task) != self.process.pid:
                with open(f"{folder}/{task}/comm", encoding="ascii") as file:
                    names.append(file.read().strip())
        # (KVM has a thread of the kernel's for each guest)
        names = [n for n in names if not n.startswith("kvm-")]
        return sorted(names)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def guests_print_hear_and_power_off(program, guest):
    with Run(program, guest) as run:
        run.expect(b"one: ready", b"two: ready")
        assert run.threads() == ["vmm/one/cpu0", "vmm/two/cpu0"], run.threads()
        run.type(b"x" * 300)        # an x comes back as <x>
        run.expect(b"one: " + b"<x>" * 80, b"two: " + b"<x>" * 80)
        run.type(b"o")
        run.expect(b"one: stopped: ", b"two: stopped: ")
        run.ends(0)


def guests_that_sleep_cost_nothing(program, guest):
    with Run(program, guest) as run:
        run.expect(b"one: ready", b"two: ready")
        run.type(b"h")
        time.sleep(0.4 * SLOW)
        before = run.cpu_seconds()
        time.sleep(1)
        spent = run.cpu_seconds() - before
        assert spent <= 0.05, f"{spent} s in a second"
        run.process.send_signal(signal.SIGINT)
        run.expect(b"one: stopped: ", b"two: stopped: ")
        run.ends(0)


def a_guest_that_cannot_start_is_told(program, _):
    got = subprocess.run([program, "/nonexistent"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20 * SLOW)
    assert got.returncode == 1 and b"/nonexistent" in got.stderr, got


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("there is no /dev/kvm")
        return 77
    failed = 0
    for program in sys.argv[2:]:
        for test in guests_print_hear_and_power_off, guests_that_sleep_cost_nothing, a_guest_that_cannot_start_is_told:
            try:
                test(os.path.abspath(program), sys.argv[1])
                print(f"ok   {os.path.basename(program)}: {test.__name__}", flush=True)
            except (AssertionError, OSError, subprocess.TimeoutExpired):
                failed += 1
                print(f"FAIL {os.path.basename(program)}: {test.__name__}", flush=True)
                traceback.print_exc(file=sys.stdout)
    return 1 if failed else 0


sys.exit(main())
