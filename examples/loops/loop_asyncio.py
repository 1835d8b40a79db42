#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
loop_asyncio.py - two guests in Python's asyncio, through ctypes: no thread but the vCPUs'.

  loop_asyncio.py KERNEL [INITRD [CMDLINE...]]

Each descriptor of the guests is a reader of the running loop. Standard input is typed to both guests; Ctrl-C stops
them. Ends when both have stopped. LIBVMM names the library, when it is not installed.

A struct of libvmm's begins with its size and may end where its caller's knowledge does: the classes below hold the
fields that are used here, and those before them.
"""
import asyncio
import ctypes
import os
import signal
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

EVENT_STATE, STATE_STOPPED = 1, 3


class Sized(ctypes.Structure):
    def __init__(self, **fields):
        super().__init__(ctypes.sizeof(self), **fields)


class Config(Sized):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("ram_bytes", c_uint64), ("nr_vcpus", c_uint32),
                ("threads_per_core", c_uint32), ("nr_sockets", c_uint32), ("flags", c_uint32), ("uuid", c_uint8 * 16),
                ("loop", c_void_p)]


class ConsoleConfig(Sized):
    _fields_ = [("size", c_size_t), ("backend", c_void_p)]


class BootConfig(Sized):
    _fields_ = [("size", c_size_t), ("kernel_path", c_char_p), ("kernel_fd", c_int), ("initrd_fd", c_int),
                ("initrd_path", c_char_p), ("cmdline", c_char_p)]


class Event(Sized):
    _fields_ = [("size", c_size_t), ("type", c_uint32), ("value", c_uint32), ("reason", c_uint32), ("reserved", c_uint32),
                ("sequence", c_uint64), ("lost", c_uint64), ("time_ns", c_uint64), ("device", c_char * 64),
                ("words", c_char * 160)]


class StopInfo(Sized):
    _fields_ = [("size", c_size_t), ("reason", c_uint32), ("vcpu", c_uint32), ("exit_reason", c_uint32),
                ("nr_exit_data", c_uint32), ("exit_data", c_uint64 * 16), ("words", c_char * 160)]


lib = ctypes.CDLL(os.environ.get("LIBVMM", "libvmm.so.0"))
PROTOTYPES = {
    "vmm_last_error": (c_char_p,), "vmm_serial_name": (c_char_p,),
    "vmm_loop_create": (c_int, c_void_p, POINTER(c_void_p)), "vmm_loop_fd": (c_int, c_void_p),
    "vmm_loop_dispatch": (c_int, c_void_p), "vmm_loop_destroy": (c_int, c_void_p),
    "vmm_create": (c_int, POINTER(Config), POINTER(c_void_p)), "vmm_destroy": (None, c_void_p),
    "vmm_console_open_ring": (c_int, c_uint32, POINTER(c_void_p), POINTER(c_void_p)),
    "vmm_console_destroy": (None, c_void_p), "vmm_add_serial": (c_int, c_void_p, POINTER(ConsoleConfig)),
    "vmm_ring_fd": (c_int, c_void_p), "vmm_ring_close": (None, c_void_p),
    "vmm_ring_read": (c_size_t, c_void_p, POINTER(c_uint64), c_void_p, c_size_t),
    "vmm_ring_write": (c_size_t, c_void_p, c_char_p, c_size_t),
    "vmm_boot_linux": (c_int, c_void_p, POINTER(BootConfig)), "vmm_start": (c_int, c_void_p), "vmm_stop": (c_int, c_void_p),
    "vmm_event_fd": (c_int, c_void_p), "vmm_next_event": (c_int, c_void_p, POINTER(Event)),
    "vmm_stop_info": (c_int, c_void_p, POINTER(StopInfo)),
}
for function, (result, *arguments) in PROTOTYPES.items():
    getattr(lib, function).restype = result
    getattr(lib, function).argtypes = arguments


def must(result):
    """A negative errno becomes an exception with the library's words."""
    if result < 0:
        raise OSError(-result, lib.vmm_last_error().decode())
    return result


class Guest:
    def __init__(self, name, loop, boot):
        self.name, self.position, self.line = name, c_uint64(0), b""
        self.stopped = asyncio.Event()
        self.vm, self.ring, serial = c_void_p(), c_void_p(), c_void_p()
        must(lib.vmm_create(byref(Config(name=name.encode(), ram_bytes=256 << 20, loop=loop)), byref(self.vm)))
        must(lib.vmm_console_open_ring(64 << 10, byref(serial), byref(self.ring)))
        if lib.vmm_add_serial(self.vm, byref(ConsoleConfig(backend=serial))) < 0:
            lib.vmm_console_destroy(serial)
            raise OSError(lib.vmm_last_error().decode())
        must(lib.vmm_boot_linux(self.vm, byref(boot)))
        here = asyncio.get_running_loop()
        here.add_reader(lib.vmm_event_fd(self.vm), self.events)
        here.add_reader(lib.vmm_ring_fd(self.ring), self.console)
        must(lib.vmm_start(self.vm))

    def console(self):
        buffer = ctypes.create_string_buffer(4096)
        while n := lib.vmm_ring_read(self.ring, byref(self.position), buffer, 4096):
            *lines, self.line = (self.line + buffer.raw[:n].replace(b"\r", b"")).split(b"\n")
            while len(self.line) >= 256:
                lines.append(self.line[:256])
                self.line = self.line[256:]
            for line in lines:
                print(f"{self.name}: {line.decode(errors='replace')}", flush=True)

    def events(self):
        event, info = Event(), StopInfo()
        while lib.vmm_next_event(self.vm, byref(event)) == 1:
            if event.type == EVENT_STATE and event.value == STATE_STOPPED:
                self.console()
                lib.vmm_stop_info(self.vm, byref(info))
                print(f"{self.name}: stopped: {info.words.decode()}", flush=True)
                self.stopped.set()
            elif event.words:
                print(f"{self.name}: {event.device.decode()}: {event.words.decode()}", flush=True)

    def destroy(self):
        here = asyncio.get_running_loop()
        here.remove_reader(lib.vmm_event_fd(self.vm))
        here.remove_reader(lib.vmm_ring_fd(self.ring))
        lib.vmm_destroy(self.vm)
        lib.vmm_ring_close(self.ring)


async def main(kernel, initrd=None, *words):
    here = asyncio.get_running_loop()
    loop = c_void_p()
    must(lib.vmm_loop_create(None, byref(loop)))
    # One bounded turn; if something is left, the descriptor stays ready.
    here.add_reader(lib.vmm_loop_fd(loop), lib.vmm_loop_dispatch, loop)
    boot = BootConfig(kernel_path=kernel.encode(), initrd_path=initrd.encode() if initrd else None,
                      cmdline=" ".join(("console=" + lib.vmm_serial_name().decode(), *words)).encode())
    guests = [Guest(name, loop, boot) for name in ("one", "two")]

    def stop():
        for g in guests:
            lib.vmm_stop(g.vm)

    def typed():
        data = os.read(0, 512)
        if not data:
            here.remove_reader(0)
        for g in guests:
            lib.vmm_ring_write(g.ring, data, len(data))

    for number in signal.SIGINT, signal.SIGTERM:
        here.add_signal_handler(number, stop)
    try:
        here.add_reader(0, typed)
    except PermissionError:
        pass        # a plain file cannot be watched: then nobody types
    for g in guests:
        await g.stopped.wait()
    for g in guests:
        g.destroy()
    here.remove_reader(lib.vmm_loop_fd(loop))
    lib.vmm_loop_destroy(loop)


if len(sys.argv) < 2:
    sys.exit("usage: loop_asyncio.py KERNEL [INITRD [CMDLINE...]]")
try:
    asyncio.run(main(*sys.argv[1:]))
except OSError as e:
    sys.exit(f"loop_asyncio: {e}")
