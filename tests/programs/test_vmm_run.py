#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
test_vmm_run.py - what a person sees of vmm-run: its terminal, its keys, its words, how it ends.

  test_vmm_run.py VMM-RUN GUEST [NAME...]     all, or those whose names hold a NAME

GUEST is tests/programs/guest.S. Exit status: 0, 1, or 77 where there is no KVM to run it on.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback

SLOW = int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))
ESCAPE = b"\x1d"
PROGRAM, GUEST = sys.argv[1], sys.argv[2]
POWEROFF, ERROR, USAGE, RESET, STOPPED, CRASHED, PANIC = 0, 1, 2, 10, 11, 12, 13


class Run:
    """vmm-run with a guest: on a terminal, or with what is given as its descriptors."""

    def __init__(self, *options, tty=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
        cmd = [PROGRAM, "--kernel", GUEST, "--memory", "16M", *options]
        self.said = b""
        if tty:
            self.fd, slave = pty.openpty()
            self.modes = termios.tcgetattr(self.fd)
            self.process = subprocess.Popen(cmd, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
            os.close(slave)
        else:
            self.process = subprocess.Popen(cmd, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
            self.fd = self.process.stdout.fileno() if self.process.stdout else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def expect(self, text, seconds=10):
        """Read until @text was said; forget all up to there."""
        end = time.monotonic() + seconds * SLOW
        while text not in self.said:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {text!r}; it said {self.said[-2000:]!r}")
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                more = b""
            if not more:
                raise AssertionError(f"it ended without {text!r}; it said {self.said[-2000:]!r}")
            self.said += more
        self.said = self.said[self.said.index(text) + len(text):]

    def type(self, keys):
        os.write(self.fd, keys)

    def ends(self, status, seconds=20):
        got = self.process.wait(seconds * SLOW)
        assert got == status, f"it ended with {got}, not {status}; it said {self.said[-2000:]!r}"

    def is_raw(self):
        return not termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def is_restored(self):
        return termios.tcgetattr(self.fd) == self.modes


# ---- on a terminal ----

def the_terminal_is_raw_while_the_guest_runs_and_what_it_was_afterwards():
    with Run() as run:
        run.expect(b"ready")
        assert run.is_raw()
        run.type(b"ab\x03")
        run.expect(b"<a><b><\x03>")     # Ctrl-C is the guest's
        run.type(b"o")
        run.ends(POWEROFF)
        assert run.is_restored()


def each_end_has_its_status():
    for letter, status in (b"o", POWEROFF), (b"r", RESET), (b"t", RESET), (b"c", CRASHED), (b"p", PANIC):
        with Run() as run:
            run.expect(b"ready")
            run.type(letter)
            run.ends(status)
            assert run.is_restored(), letter


def a_crash_is_shown_with_its_registers():
    with Run() as run:
        run.expect(b"ready")
        run.type(b"c")
        run.expect(b"the guest crashed")
        run.expect(b"rip    00000000d0000000")
        run.expect(b"cs ")
        run.ends(CRASHED)


def the_escape_key_quits_a_guest_that_halts():
    with Run() as run:
        run.expect(b"ready")
        run.type(b"h" + b"x" * 100)
        time.sleep(0.2)
        run.type(ESCAPE + b"q")
        run.ends(STOPPED)
        assert run.is_restored()


def the_escape_key_works_when_the_guest_has_read_nothing_for_long():
    with Run() as run:
        run.expect(b"ready")
        run.type(b"h")
        for _ in range(100):
            run.type(b"y" * 1000)
        run.type(ESCAPE + b"q")
        run.ends(STOPPED)


def the_escape_key_resets():
    with Run() as run:
        run.expect(b"ready")
        run.type(ESCAPE + b"r")
        run.expect(b"ready")
        run.type(b"o")
        run.ends(POWEROFF)


def the_escape_key_pauses_and_lets_go_on():
    with Run() as run:
        run.expect(b"ready")
        run.type(ESCAPE + b"p")
        run.expect(b"paused")
        run.said = b""
        run.type(b"z")
        time.sleep(0.5)
        run.type(ESCAPE + b"p")
        run.expect(b"<z>")
        run.type(b"o")
        run.ends(POWEROFF)


def the_escape_key_twice_is_the_key_itself_and_h_is_help():
    with Run() as run:
        run.expect(b"ready")
        run.type(ESCAPE + ESCAPE)
        run.expect(b"<" + ESCAPE + b">")
        run.type(ESCAPE + b"h")
        run.expect(b"q quit")
        run.type(b"o")
        run.ends(POWEROFF)


def a_signal_stops_the_guest_and_restores_the_terminal():
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        with Run() as run:
            run.expect(b"ready")
            run.process.send_signal(number)
            run.ends(STOPPED)
            assert run.is_restored(), number


def a_signal_that_kills_restores_the_terminal():
    for number in signal.SIGQUIT, signal.SIGSEGV:
        with Run() as run:
            run.expect(b"ready")
            run.process.send_signal(number)
            run.ends(-number)
            assert run.is_restored(), number


def a_job_that_was_stopped_finds_its_modes_again():
    with Run() as run:
        run.expect(b"ready")
        run.process.send_signal(signal.SIGSTOP)
        termios.tcsetattr(run.fd, termios.TCSANOW, run.modes)   # as a shell does
        run.process.send_signal(signal.SIGCONT)
        end = time.monotonic() + 10 * SLOW
        while not run.is_raw():
            assert time.monotonic() < end
            time.sleep(0.01)
        run.type(b"o")
        run.ends(POWEROFF)
        assert run.is_restored()


def a_terminal_that_goes_away_ends_it():
    with Run() as run:
        run.expect(b"ready")
        os.close(run.fd)
        run.process.send_signal(signal.SIGHUP)      # the kernel's, to the session's leader
        run.ends(STOPPED)


def a_window_of_another_size_does_not_disturb():
    with Run() as run:
        run.expect(b"ready")
        fcntl.ioctl(run.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        run.process.send_signal(signal.SIGWINCH)
        run.type(b"w")
        run.expect(b"<w>")
        run.type(b"o")
        run.ends(POWEROFF)


def a_reboot_starts_again_when_asked():
    with Run("--reboot", "again") as run:
        run.expect(b"ready")
        run.type(b"r")
        run.expect(b"ready")
        run.type(b"t")
        run.expect(b"ready")
        run.type(b"o")
        run.ends(POWEROFF)


def output_without_end_does_not_keep_the_keyboard_away():
    with Run() as run:
        run.expect(b"ready")
        run.type(b"f")
        run.expect(b"####")
        run.type(ESCAPE + b"q")
        run.process.send_signal(signal.SIGCONT)
        end = time.monotonic() + 20 * SLOW
        while run.process.poll() is None:
            assert time.monotonic() < end
            if select.select([run.fd], [], [], 0.1)[0]:
                try:
                    os.read(run.fd, 65536)
                except OSError:
                    pass
        run.ends(STOPPED)


def a_terminal_that_nobody_reads_does_not_keep_it_from_ending():
    with Run() as run:
        run.expect(b"ready")
        run.type(b"f")
        time.sleep(2)
        run.process.send_signal(signal.SIGTERM)
        run.ends(STOPPED)


# ---- without one ----

def the_end_of_standard_input_is_not_the_guests():
    with Run(tty=False, stdin=subprocess.PIPE) as run:
        run.expect(b"ready")
        os.write(run.process.stdin.fileno(), b"k")
        run.expect(b"<k>")
        run.process.stdin.close()
        time.sleep(0.5)
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGTERM)
        run.ends(STOPPED)


def input_may_be_a_file():
    with tempfile.TemporaryFile() as file:
        file.write(b"." * 1500 + b"o")
        file.seek(0)
        with Run(tty=False, stdin=file) as run:
            run.expect(b"ready\r\n" + b"<.>" * 1500, 60)
            run.ends(POWEROFF)


def input_may_be_a_pipe_that_ended_before_the_guest_read():
    read, write = os.pipe()
    os.write(write, b"," * 1500 + b"o")
    os.close(write)
    with Run(tty=False, stdin=read) as run:
        os.close(read)
        run.expect(b"<,>" * 1500, 60)
        run.ends(POWEROFF)


def the_escape_key_in_a_pipe_is_the_guests():
    with Run(tty=False, stdin=subprocess.PIPE) as run:
        run.expect(b"ready")
        os.write(run.process.stdin.fileno(), ESCAPE + b"q")
        run.expect(b"<" + ESCAPE + b"><q>")
        os.write(run.process.stdin.fileno(), b"o")
        run.ends(POWEROFF)


def all_of_the_output_goes_into_a_file():
    with tempfile.TemporaryFile() as file:
        with Run(tty=False, stdin=subprocess.PIPE, stdout=file) as run:
            os.write(run.process.stdin.fileno(), b"xyzo")
            run.ends(POWEROFF)
        file.seek(0)
        assert file.read() == b"ready\r\n<x><y><z>"


def a_reader_that_leaves_does_not_end_the_guest():
    with Run(tty=False, stdin=subprocess.PIPE) as run:
        run.expect(b"ready")
        run.process.stdout.close()
        os.write(run.process.stdin.fileno(), b"xyz")
        time.sleep(0.5)
        assert run.process.poll() is None
        os.write(run.process.stdin.fileno(), b"o")
        run.ends(POWEROFF)
        assert b"output is dropped" in run.process.stderr.read()


def a_full_disk_does_not_end_the_guest():
    with open("/dev/full", "wb") as full, Run(tty=False, stdin=subprocess.PIPE, stdout=full) as run:
        os.write(run.process.stdin.fileno(), b"xyzo")
        run.ends(POWEROFF)
        assert b"No space left" in run.process.stderr.read()


def standard_descriptors_may_be_closed():
    words = f"exec '{PROGRAM}' --kernel '{GUEST}' --memory 16M <&- >&- 2>&-"
    process = subprocess.Popen(["sh", "-c", words])
    try:
        time.sleep(1 * SLOW)
        assert process.poll() is None
        process.terminate()
        assert process.wait(20 * SLOW) == STOPPED
    finally:
        process.kill()
        process.wait()


# ---- words ----

def say(*options):
    return subprocess.run([PROGRAM, *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SLOW)


def wrong_usage_is_told_with_what_was_expected():
    table = [
        ([], b"no --kernel"),
        (["--kernel"], b"requires an argument"),
        (["--unknown"], b"--unknown"),
        (["--kernel", GUEST, "more"], b"more"),
        (["--kernel", GUEST, "--memory", "12X"], b"12X"),
        (["--kernel", GUEST, "--memory", "99999999T"], b"99999999T"),
        (["--kernel", GUEST, "--memory", "0"], b"size"),
        (["--kernel", GUEST, "--cpus", "0"], b"1 to 255"),
        (["--kernel", GUEST, "--cpus", "256"], b"1 to 255"),
        (["--kernel", GUEST, "--boot", "dos"], b"auto bzimage image pvh elf"),
        (["--kernel", GUEST, "--net", "user,mac=ff:ff:ff:ff:ff:ff"], b"mac="),
        (["--kernel", GUEST, "--net", "wifi"], b"tap:NAME"),
        (["--kernel", GUEST, "--net", "user,fast"], b"rate="),
        (["--kernel", GUEST, "--net", "user,queues=2"], b"tap:NAME"),
        (["--kernel", GUEST, "--net", "tap:t,queues=17"], b"16"),
        (["--kernel", GUEST, "--net", "user,rate=much"], b"512M"),
        (["--kernel", GUEST, "--net", "user,mtu=0"], b"65535"),
        (["--kernel", GUEST, "--net", "dgram:one"], b"two paths"),
        (["--kernel", GUEST, "--net", "none", "--net", "user"], b"none"),
        (["--kernel", GUEST, "--forward", "80:80"], b"--net user"),
        (["--kernel", GUEST, "--net", "user", "--forward", "80"], b"GUESTPORT"),
        (["--kernel", GUEST, "--net", "user", "--forward", "70000:80"], b"GUESTPORT"),
        (["--kernel", GUEST, "--pin", "x"], b"CPUs"),
        (["--kernel", GUEST, "--vsock", "/x,cid=2"], b"cid="),
        (["--kernel", GUEST, "--vsock", "/x", "--vsock", "/y"], b"only one"),
        (["--kernel", GUEST, "--port", "agent"], b"NAME=PATH"),
        (["--kernel", GUEST, "--balloon", "much"], b"much"),
    ]
    for options, words in table:
        got = say(*options)
        assert got.returncode == USAGE and words in got.stderr and not got.stdout, (options, got)


def what_cannot_be_started_is_told_with_its_name():
    with tempfile.TemporaryDirectory() as folder:
        odd = folder + "/odd"
        with open(odd, "wb") as file:
            file.write(b"x" * 100)
        table = [
            (["--kernel", "/nonexistent"], b"/nonexistent: No such file"),
            (["--kernel", odd], b"cannot boot"),
            (["--kernel", folder], b"plain file"),
            (["--kernel", GUEST, "--initrd", "/nonexistent"], b"initrd /nonexistent"),
            (["--kernel", GUEST, "--disk", "/nonexistent,ro"], b"/nonexistent: No such file"),
            (["--kernel", GUEST, "--disk", "nbd+unix:///?socket=/nonexistent,format=nbd"], b"--disk"),
            (["--kernel", GUEST, "--disk", f"/nonexistent/o,format=overlay,base={odd}"], b"--disk"),
            (["--kernel", GUEST, "--disk", odd], b"--disk"),
            (["--kernel", GUEST, "--disk", folder], b"--disk"),
            (["--kernel", GUEST, "--net", "tapfd:99"], b"--net"),
            (["--kernel", GUEST, "--memory", "900T"], b"cannot make a guest"),
            (["--kernel", GUEST, "--pin", "4000"], b"4000"),
            (["--kernel", GUEST, "--boot", "bzimage"], b"bzImage"),
            (["--kernel", GUEST, "--vsock", odd], b"--vsock"),
            (["--kernel", GUEST, "--port", f"a={odd}"], b"--port"),
            (["--kernel", GUEST, "--port", f"a={folder}/a", "--port", f"a={folder}/b"], b"called a"),
        ]
        for options, words in table:
            got = say(*options)
            assert got.returncode == ERROR and words in got.stderr and not got.stdout, (options, got)
            assert got.stderr.startswith(b"vmm-run: "), got


def a_disk_that_is_in_use_is_refused():
    with tempfile.NamedTemporaryFile() as disk:
        disk.truncate(1 << 20)
        with Run("--disk", disk.name) as run:
            run.expect(b"ready")
            got = say("--kernel", GUEST, "--disk", disk.name)
            assert got.returncode == ERROR and b"does another guest use it?" in got.stderr, got
            run.type(b"o")
            run.ends(POWEROFF)


def a_machine_with_everything_starts_and_ends():
    with tempfile.TemporaryDirectory() as folder:
        disks = []
        for name in "a,b", "c", "d":
            with open(f"{folder}/{name}", "wb") as file:
                file.truncate(1 << 20)
        disks += ["--disk", f"{folder}/a,b,ro,thread", "--disk", f"{folder}/c,serial=see,thread", "--ram-disk", "1M"]
        disks += ["--disk", f"{folder}/o,format=overlay,base={folder}/d,cache=writethrough,bps=10M,iops=100,queues=2"]
        for transport in "pci", "mmio":
            with Run("--cpus", "2", "--transport", transport, "--net", "user,thread,plain,mtu=1400,rate=1G,mac=02:00:00:00:00:01",
                     "--console", "both", "--name", "all", "--pin", "0", "--prealloc", "--thp",
                     "--vsock", f"{folder}/v,s,cid=77", "--port", f"agent={folder}/agent",
                     "--balloon", "4M", *disks) as run:
                run.expect(b"ready")
                assert os.path.exists(f"{folder}/v,s") and os.path.exists(f"{folder}/agent")
                run.type(b"o")
                run.ends(POWEROFF)
            assert not os.path.exists(f"{folder}/v,s") and not os.path.exists(f"{folder}/agent")


def query_help_and_version_are_printed():
    assert b"usable" in say("--query").stdout
    assert re.match(rb"vmm-run \d+\.\d+\.\d+, libvmm \d", say("--version").stdout)
    got = say("--help")
    assert got.returncode == 0 and b"Exit status" in got.stdout and not got.stderr


def main():
    if not say("--query").stdout.startswith(b"KVM               usable"):
        print("no usable KVM:", say("--query").stdout.decode().splitlines()[0])
        return 77
    failed = 0
    for name, test in list(globals().items()):
        if not callable(test) or test.__module__ != __name__ or name in ("Run", "say", "main"):
            continue
        if sys.argv[3:] and not any(word in name for word in sys.argv[3:]):
            continue
        start = time.monotonic()
        try:
            test()
            print(f"ok {name} ({time.monotonic() - start:.1f})", flush=True)
        except Exception:   # pylint: disable=broad-except
            failed += 1
            print(f"FAIL {name}")
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
