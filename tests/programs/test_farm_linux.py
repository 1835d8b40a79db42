#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
test_farm_linux.py - examples/farm with stock Linux: one crashes while the other works; the server is killed while both write.

  test_farm_linux.py FARM VMM-RUN

The guests write a counter to an ext4, flush it, and then say its number on their console. After SIGKILL e2fsck must find
nothing that the journal does not mend, and each file hold the last number that was said, or a later one. Needs the guests'
files (tests/lab/images), e2fsprogs, and a KVM with hardware behind it: mostly in the lab. Exit status: 0, 1, or 77.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from farm_server import Server, SLOW

GUESTS = "linux-1", "linux-2"


def numbers(server, name):
    return [int(n) for n in re.findall(rb"GUEST io (\d+)\r?\n", server.console(name))]


def tool(*words, allowed=(0,)):
    got = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True)
    assert got.returncode in allowed, (words, got)
    return got.stdout


def skip():
    for name in "LIBVMM_TEST_VMLINUX", "LIBVMM_TEST_INITRD", "LIBVMM_TEST_DISK":
        if not os.path.exists(os.environ.get(name, "")):
            return f"{name} names no file (tests/lab/images makes it)"
    query = subprocess.run([sys.argv[2], "--query"], stdin=subprocess.DEVNULL, capture_output=True)
    if query.returncode != 0 or not re.search(rb"(?m)^hardware  *yes", query.stdout):
        return "no KVM with hardware behind it"
    return None


def main():
    why = skip()
    if why:
        print(why)
        return 77
    Server.program, Server.guest = os.path.abspath(sys.argv[1]), "unused"
    with tempfile.TemporaryDirectory(prefix="farm-test.") as folder:
        for n in 1, 2:
            shutil.copyfile(os.environ["LIBVMM_TEST_DISK"], f"{folder}/disk-{n}")
        config = (f"[guest linux]\ncount = 2\nkernel = {os.environ['LIBVMM_TEST_VMLINUX']}\n"
                  f"initrd = {os.environ['LIBVMM_TEST_INITRD']}\nmemory = 192M\ndisk = disk-%n\nbackoff-ms = 500\n"
                  "cmdline = console=ttyS0 quiet cryptomgr.notests=1 panic=1 test.do=io\n")
        with Server(folder=folder, text=config) as server:
            server.until(lambda _: all(len(numbers(server, g)) >= 3 for g in GUESTS), "numbers", seconds=180)
            print("ok   both write")
            before = numbers(server, "linux-2")[-1]
            assert server.post("/api/guests/linux-1/crash").status == 200
            server.until(lambda g: g["linux-1"]["restarts"] == 1 and server.console("linux-1").count(b"GUEST io 1\r") == 2,
                         "a restart", seconds=180)
            assert numbers(server, "linux-2")[-1] > before and server.guests()["linux-2"]["starts"] == 1
            print("ok   one crashed and came back, the other went on")
            server.until(lambda _: numbers(server, "linux-1")[-1] >= 3, "numbers", seconds=60)
            said = {g: numbers(server, g)[-1] for g in GUESTS}
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
        for n, (name, last) in enumerate(said.items(), 1):
            disk = f"{folder}/disk-{n}"
            tool("e2fsck", "-p", disk, allowed=(0, 1))      # the journal, as a mount would
            tool("e2fsck", "-fn", disk)
            found = int(tool("debugfs", "-R", "cat /counter", disk))
            assert found >= last, f"{name} said {last}, and its disk has {found}"
            print(f"ok   {name}: {last} was said, {found} is on the disk")
    return 0


sys.exit(main())
