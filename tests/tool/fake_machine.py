#!/usr/bin/env python3
"""Stands in for QEMU: speaks abi/kwast/link.h without a machine behind it.

Tests put it into PATH under QEMU's name. What it does is the first word of the "program" in the boot
archive; the rest of that file is the word's argument.
"""

import io
import json
import os
import re
import socket
import struct
import sys
import tarfile
import time

MAGIC, VERSION, PAYLOAD_MAX = 0x4B4C, 1, 65536
HELLO, STDOUT, STDERR, LOG, CREDIT, TIMES, EXIT = 1, 2, 3, 4, 5, 6, 7
STDIN, STDIN_END, INTERRUPT = 32, 33, 34
EXITED, TRAPPED, REFUSED, INTERRUPTED = range(4)
FOREVER = 3600


class Machine:
    def __init__(self, argv):
        text = " ".join(argv)
        self.argv = argv
        self.link = socket.socket(fileno=int(re.search(r"socket,id=link,fd=(\d+)", text)[1]))
        with open(argv[argv.index("-initrd") + 1], "rb") as file:
            self.archive = tarfile.open(fileobj=io.BytesIO(file.read()))
        records = self.read("boot/run").split(b"\0")
        assert records.pop() == b"", "every record ends with NUL"
        self.records = [tuple(record.split(b"=", 1)) for record in records]
        assert self.records[0][0] == b"program"
        self.program = self.read(self.records[0][1].decode())

    def read(self, name):
        return self.archive.extractfile(name).read()

    def send(self, kind, payload=b""):
        self.link.sendall(struct.pack("<HHI", MAGIC, kind, len(payload)) + payload)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.link.recv(size - len(data))
            if not part:
                sys.exit(0)
            data += part
        return data

    def receive(self):
        magic, kind, size = struct.unpack("<HHI", self.exactly(8))
        assert magic == MAGIC and size <= PAYLOAD_MAX
        return kind, self.exactly(size)

    def exit(self, outcome, status=0):
        self.send(EXIT, struct.pack("<II", outcome, status))
        time.sleep(FOREVER)  # it is the other side that ends a machine


def report(machine, _):
    """What the machine was given, as JSON."""
    files = {}
    for entry in machine.archive:
        content = machine.read(entry.name) if entry.isfile() else None
        kind = "file" if entry.isfile() else "link" if entry.issym() else "folder"
        if entry.name != "boot/run" and not entry.name.startswith("bin/"):
            files[entry.name] = [kind, content.decode() if content is not None else entry.linkname]
    text = json.dumps(
        {
            "records": [[k.decode(), v.decode()] for k, v in machine.records],
            "files": files,
            "argv": machine.argv,
        }
    )
    machine.send(STDOUT, text.encode())
    machine.exit(EXITED)


def end(machine, argument):
    machine.send(STDOUT, b"out\n")
    machine.send(STDERR, b"err\n")
    outcome, status = map(int, (argument or "0 0").split())
    machine.exit(outcome, status)


def bytes_out(machine, argument):
    """So many bytes, in frames of uneven sizes."""
    left, size = int(argument), 1
    at = 0
    while left:
        part = min(left, size)
        machine.send(STDOUT, bytes((at + i) % 251 for i in range(part)))
        at, left, size = (at + part) % 251, left - part, size * 3 % 65521
    machine.exit(EXITED)


def echo(machine, argument):
    """Copies standard input, granting credit as the argument says: START, then as it is consumed."""
    credit = int(argument or 65536)
    outstanding = credit
    machine.send(CREDIT, struct.pack("<I", credit))
    while True:
        kind, payload = machine.receive()
        if kind == STDIN_END:
            break
        assert kind == STDIN and payload
        outstanding -= len(payload)
        if outstanding < 0:
            machine.send(STDERR, b"more than the credit\n")
            machine.exit(EXITED, 3)
        machine.send(STDOUT, payload)
        if outstanding == 0:
            outstanding = credit
            machine.send(CREDIT, struct.pack("<I", credit))
    machine.exit(EXITED)


def no_credit(machine, _):
    """Grants nothing: no byte of standard input may come."""
    machine.link.settimeout(0.5)
    try:
        kind, _ = machine.receive()
        machine.send(STDERR, b"got a frame of type %d\n" % kind)
        machine.exit(EXITED, 3)
    except TimeoutError:
        machine.link.settimeout(None)
        machine.exit(EXITED)


def spin(machine, argument):
    machine.send(STDOUT, b"running %d\n" % os.getpid())
    time.sleep(FOREVER)


def flood(machine, _):
    while True:
        machine.send(STDOUT, b"x" * 4096)


def die(machine, argument):
    machine.send(STDOUT, b"so far\n")
    os.write(1, b"kernel panic: nothing works\n")
    os.write(2, b"qemu: something failed\n")
    sys.exit(1)


def silent_death(machine, _):
    sys.exit(1)


def log(machine, _):
    machine.send(LOG, b"a line of the log\n")
    os.write(1, b"a line on the serial line\n")
    time.sleep(0.3)
    machine.exit(EXITED)


def times(machine, _):
    machine.send(TIMES, struct.pack("<7Q", 500_000, 4_000_000, 1_500_000, 2_000_000, 3_250_000, 1000, 4000))
    machine.exit(EXITED)


def unknown(machine, _):
    machine.send(999, b"from the future")
    machine.exit(EXITED, 7)


def garbage(machine, _):
    machine.link.sendall(b"SeaBIOS (version 1.16)\n")
    time.sleep(FOREVER)


def too_long(machine, _):
    machine.link.sendall(struct.pack("<HHI", MAGIC, STDOUT, PAYLOAD_MAX + 1))
    time.sleep(FOREVER)


def short_exit(machine, _):
    machine.send(EXIT, b"\0\0\0\0")
    time.sleep(FOREVER)


def main():
    machine = Machine(sys.argv[1:])
    word, _, argument = machine.program.decode().partition(" ")
    if word == "mute":
        time.sleep(FOREVER)
    version = VERSION + 1 if word == "newer" else VERSION
    if word != "rude":
        machine.send(HELLO, struct.pack("<I", version))
    globals().get(word, end)(machine, argument)


main()
