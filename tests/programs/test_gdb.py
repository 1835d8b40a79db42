#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
test_gdb.py - a guest under gdb, and a crash in a core: by gdb itself, and by its protocol spoken by hand.

  test_gdb.py VMM-RUN GUEST [NAME...]     all, or those whose names hold a NAME

GUEST is tests/programs/guest.S. Exit status: 0, 1, or 77 where there is no KVM to run it on. What needs gdb is
left out where there is none.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

SLOW = int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))
PROGRAM, GUEST = sys.argv[1], sys.argv[2]
GDB = shutil.which("gdb")
POWEROFF, STOPPED, CRASHED, PANIC = 0, 11, 12, 13
RIP = 16


class Run:
    """vmm-run with gdb's socket, its console on pipes."""

    def __init__(self, *options, wait=False):
        self.folder = tempfile.TemporaryDirectory()
        self.path = f"{self.folder.name}/gdb"
        self.said = b""
        gdb = self.path + (",wait" if wait else "")
        self.process = subprocess.Popen([PROGRAM, "--kernel", GUEST, "--memory", "16M", "--gdb", gdb, *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        until(lambda: os.path.exists(self.path), "the socket is there")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def expect(self, text):
        while text not in self.said:
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, f"it ended without {text!r}; it said {self.said!r}"
            self.said += more
        self.said = self.said[self.said.index(text) + len(text):]

    def type(self, keys):
        self.process.stdin.write(keys)
        self.process.stdin.flush()

    def ends(self, status):
        got = self.process.wait(30 * SLOW)
        assert got == status, f"it ended with {got}, not {status}"


def until(true, what):
    end = time.monotonic() + 20 * SLOW
    while not true():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.01)


class Peer:
    """What gdb says, by hand."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20 * SLOW)
        until(lambda: self.socket.connect_ex(path) == 0, "connected")
        self.got = b""

    def send(self, data):
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 255))

    def answer(self):
        while True:
            found = re.match(rb"[+-]*\$([^#]*)#(..)", self.got, re.S)
            if found:
                self.got = self.got[found.end():]
                assert sum(found.group(1)) & 255 == int(found.group(2), 16)
                return found.group(1)
            more = self.socket.recv(65536)
            assert more, f"it hung up after {self.got!r}"
            self.got += more

    def ask(self, data):
        self.send(data)
        return self.answer()

    def rip(self):
        return int.from_bytes(bytes.fromhex(self.ask(b"p%x" % RIP).decode()), "little")

    def hung_up(self):
        try:
            while True:
                if not self.socket.recv(65536):
                    return True
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


def alone(path):
    """A peer, once the one before has gone."""
    peers = []

    def talks():
        peers.append(Peer(path))
        try:
            return peers[-1].ask(b"?").startswith(b"T")
        except (OSError, AssertionError):
            peers.pop().close()
            return False
    until(talks, "the one before has gone")
    return peers[-1]


def symbol(name):
    listing = subprocess.run(["nm", GUEST], check=True, capture_output=True, text=True).stdout
    return int(re.search(rf"^(\w+) \w {name}$", listing, re.M).group(1), 16)


def gdb(path, *commands):
    got = subprocess.run([GDB, "-nx", "-batch", *[w for c in (f"target remote {path}", *commands) for w in ("-ex", c)],
                          GUEST], capture_output=True, text=True, timeout=60 * SLOW)
    return got.stdout + got.stderr


# ---- gdb ----

def gdb_steps_breaks_and_goes_on():
    if not GDB:
        return
    with Run(wait=True) as run:
        said = gdb(run.path, "info threads", "stepi", "p/x $rip", "hbreak *loop", "continue", "delete",
                   "x/s &ready", "break *put", "detach")
        assert "vCPU 0" in said and "$1 = 0x200005" in said, said
        assert "Breakpoint 1, loop ()" in said and r'"ready\r\n"' in said, said
        run.expect(b"ready")
        run.type(b"a")
        run.expect(b"<a>")          # the breakpoint that was left has been taken out
        run.type(b"o")
        run.ends(POWEROFF)


def gdb_breaks_in_software_and_sees_every_register():
    if not GDB:
        return
    with Run("--cpus", "2", wait=True) as run:
        said = gdb(run.path, "break *put", "continue", "p/x $rip", "set var $rbx = 0x1234567890", "p/x $rbx",
                   "p $xmm3.v2_int64", "p $cr0 & 1", "info threads", "kill")
        assert f"$1 = {symbol('put'):#x}" in said and "$2 = 0x1234567890" in said, said
        assert "$3 = {0, 0}" in said and "$4 = 1" in said and "vCPU 1" in said, said
        run.ends(STOPPED)


def gdb_holds_a_guest_that_crashes():
    if not GDB:
        return
    with Run(wait=True) as run:
        run.type(b"c")
        said = gdb(run.path, "continue", "p/x $rip", "continue")
        assert "SIGABRT" in said and "$1 = 0xd0000000" in said, said
        run.ends(CRASHED)


def gdb_reads_the_core_of_a_crash():
    with tempfile.TemporaryDirectory() as folder:
        core = f"{folder}/core"
        with Run("--dump-on-crash", core, "--cpus", "2") as run:
            run.type(b"xyc")
            run.ends(CRASHED)
        text = open(f"{core}.txt").read()
        assert "vCPU 1 registers" in text and "d0000000" in text and "ready\n<x><y>" in text, text
        assert set(os.listdir(folder)) == {"core", "core.txt"}
        assert os.stat(core).st_size > 16 << 20 and os.stat(core).st_blocks * 512 < 4 << 20, os.stat(core)
        if not GDB:
            return
        said = subprocess.run([GDB, "-nx", "-batch", "-c", core, "-ex", "info threads", "-ex", "p/x $rip", "-ex",
                               f"x/s {symbol('ready'):#x}", "-ex", "thread 2"],
                              capture_output=True, text=True, timeout=60 * SLOW)
        said = said.stdout + said.stderr
        assert "$1 = 0xd0000000" in said and r'"ready\r\n"' in said and "Switching to thread 2" in said, said


def a_panic_is_saved_and_a_power_off_is_not():
    with tempfile.TemporaryDirectory() as folder:
        for letter, status, files in (b"o", POWEROFF, set()), (b"p", PANIC, {"core", "core.txt"}):
            with Run("--dump-on-crash", f"{folder}/core") as run:
                run.type(letter)
                run.ends(status)
            assert set(os.listdir(folder)) == files, letter


# ---- by hand ----

def an_interrupt_stops_it_and_a_detach_lets_it_go_on():
    with Run() as run:
        run.expect(b"ready")
        peer = Peer(run.path)
        assert peer.ask(b"?").startswith(b"T05")
        peer.send(b"vCont;c")
        time.sleep(0.05)
        peer.socket.sendall(b"\x03")
        assert peer.answer().startswith(b"T02")
        assert 0x200000 <= peer.rip() < 0x201000
        assert peer.ask(b"D") == b"OK"
        assert peer.hung_up()
        run.type(b"a")
        run.expect(b"<a>")
        run.type(b"o")
        run.ends(POWEROFF)


def a_connection_that_breaks_leaves_no_breakpoint():
    with Run() as run:
        run.expect(b"ready")
        for runs in False, True:
            peer = alone(run.path)
            assert peer.ask(b"Z0,%x,1" % symbol("put")) == b"OK"
            assert peer.ask(b"m%x,1" % symbol("put")) != b"cc"       # what is under it is shown
            if runs:
                peer.send(b"c")
                time.sleep(0.05)
            peer.close()
            run.type(b"a")
            run.expect(b"<a>")
        run.type(b"o")
        run.ends(POWEROFF)


def one_vcpu_steps_while_the_other_stays():
    with Run("--cpus", "2", wait=True) as run:
        peer = Peer(run.path)
        assert peer.ask(b"qfThreadInfo") == b"m1,2"
        start = peer.rip()
        for n in range(1, 4):
            assert re.match(rb"T05thread:1;", peer.ask(b"vCont;s:1")), n
        assert start < peer.rip() < start + 32
        assert peer.ask(b"vCont") != b"OK"
        assert peer.ask(b"vCont?").startswith(b"vCont;")
        peer.send(b"k")
        run.ends(STOPPED)


def another_debugger_is_turned_away():
    with Run() as run:
        peer = Peer(run.path)
        assert peer.ask(b"?").startswith(b"T")
        other = Peer(run.path)
        assert other.hung_up()
        assert peer.ask(b"qC").startswith(b"QC")
        peer.send(b"vKill;1")
        assert peer.answer() == b"OK"
        run.ends(STOPPED)


def the_end_of_the_guest_is_told():
    with Run(wait=True) as run:
        peer = Peer(run.path)
        assert peer.ask(b"?").startswith(b"T")
        run.type(b"o")
        assert peer.ask(b"c") == b"W00"
        assert peer.hung_up()
        run.ends(POWEROFF)


def memory_and_registers_can_be_written():
    with Run(wait=True) as run:
        peer = Peer(run.path)
        at = symbol("ready")
        assert peer.ask(b"m%x,5" % at) == b"ready".hex().encode()
        assert peer.ask(b"M%x,5:%s" % (at, b"tired".hex().encode())) == b"OK"
        assert peer.ask(b"X%x,2:}\x03}\x04" % at) == b"OK"
        assert peer.ask(b"m%x,5" % at) == b"#$red".replace(b"#$", b"\x23\x24").hex().encode()
        assert peer.ask(b"m%x,10" % (16 << 20)) .startswith(b"E")
        assert peer.ask(b"m%x,10" % ((16 << 20) - 4)) == b"00000000"
        assert peer.ask(b"P%x=%s" % (2, b"8877665544332211")) == b"OK"
        assert peer.ask(b"p2") == b"8877665544332211"
        assert peer.ask(b"p999").startswith(b"E")
        everything = peer.ask(b"g")
        assert peer.ask(b"G" + everything) == b"OK"
        assert peer.ask(b"g") == everything
        assert peer.ask(b"G00").startswith(b"E")
        assert peer.ask(b"Z2,%x,3" % at).startswith(b"E")
        assert peer.ask(b"Z3,%x,4" % at) == b""
        assert [peer.ask(b"Z2,%x,1" % (at + n)) for n in range(4)] == [b"OK"] * 4
        assert peer.ask(b"Z2,%x,1" % (at + 4)).startswith(b"E")
        assert peer.ask(b"z2,%x,1" % (at + 3)) == b"OK"
        assert peer.ask(b"z2,%x,1" % (at + 3)).startswith(b"E")
        peer.send(b"D")
        assert peer.answer() == b"OK"
        run.expect(b"#$red")
        run.type(b"o")
        run.ends(POWEROFF)


def garbage_is_answered_or_ends_the_connection_and_no_more():
    with Run() as run:
        run.expect(b"ready")
        for garbage in (b"$" + b"a" * 100000, b"$m#00$g#zz", b"\xff" * 5000, b"$X0,ffffffff:#00",
                        b"$vCont;s:ffffffffff#00", b"-" * 1000):
            peer = alone(run.path)
            try:
                peer.socket.sendall(garbage)
            except OSError:
                pass
            peer.close()
        peer = alone(run.path)
        peer.socket.sendall(b"$g#00")
        assert peer.socket.recv(1) == b"-"
        peer.close()
        run.type(b"a")
        run.expect(b"<a>")
        run.type(b"o")
        run.ends(POWEROFF)


def main():
    query = subprocess.run([PROGRAM, "--query"], capture_output=True, check=False).stdout
    if not query.startswith(b"KVM               usable"):
        print("no usable KVM:", query.decode().splitlines()[:1])
        return 77
    failed = 0
    for name, test in list(globals().items()):
        if not callable(test) or test.__module__ != __name__ or name in ("Run", "Peer", "until", "alone", "symbol", "gdb", "main"):
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
