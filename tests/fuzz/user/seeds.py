#!/usr/bin/env python3
"""Inputs from which the fuzzers of services begin: what a client does that knows what it wants, in
the bytes of which fake_kernel.c makes calls, and for ninep what an honest server answers.

usage: seeds.py FOLDER

writes FOLDER/tmpfs, FOLDER/ninep and FOLDER/pci. Operations have the order of the targets' tables.
"""

import pathlib
import struct
import sys

READ, WRITE, CREATE, EXCLUSIVE, TRUNCATE, DIRECTORY, FOLLOW = 1, 2, 4, 8, 16, 32, 256
LENT, WRITTEN = 1, 2  # grants: the service reads them, or writes
FAIL_NEXT = bytes([0x40, 2])
FILE_CALLS = ("open open_too read write append set_size allocate sync list stat set_times read_link"
              " make_directory remove_directory unlink rename link make_link stat_system").split()
PCI_CALLS = "claim claim_too config range ports interrupt dma start reset other open read list stat"


# -- Calls ----------------------------------------------------------------------------------------

def number(value):
    return bytes([value]) if value < 0xe0 else b"\xff" + struct.pack("<Q", value)


def path(text):
    words = ["a", "b", "c", "/", "?", ".."]
    parts = [text[i:i + 2] if text[i:i + 2] == ".." else text[i]
             for i in range(len(text)) if text[i - 1:i + 1] != ".." or i == 0]
    return bytes([len(parts)] + [words.index(part) for part in parts])


def call(operations, name, channel=0, words=(), at="", room=0, other=None):
    """`room` is the bytes of grant 0; `other` the path behind grant 1."""
    words = (tuple(words) + (0, 0, 0, 0))[:4]
    grants = 2 if other is not None else 1 if room else 0
    access = LENT if name in ("write", "append") else WRITTEN
    return (bytes([0xff, channel, operations.index(name)]) + b"".join(map(number, words)) +
            path(at) + bytes([grants]) + number(room) + bytes([access]) +
            (path(other) if other is not None else b"") + b"\0")


def file_call(name, channel=0, at="", flags=0, first=0, second=0, **more):
    return call(FILE_CALLS, name, channel, (first, second, flags, 0), at, **more)


def pci_call(name, channel, *words, **more):
    return call(PCI_CALLS.split(), name, channel, words, **more)


# -- Answers of a 9P server -----------------------------------------------------------------------

def answer(body=b""):
    return bytes([0x40, len(body)]) + bytes(7) + body


def error(linux):
    return bytes([8, 4]) + bytes(7) + struct.pack("<I", linux)


def qid(kind, inode):
    return struct.pack("<BIQ", kind, 0, inode)


FILE, FOLDER, LINK = 0, 0x80, 2
MODES = {FILE: 0o100644, FOLDER: 0o040755, LINK: 0o120777}
NOT_THERE = error(2)
SAME = answer(struct.pack("<H", 0))


def found(kind, inode):
    return answer(struct.pack("<H", 1) + qid(kind, inode))


def attributes(kind, inode, size=5):
    return answer(struct.pack("<Q", 0x7ff) + qid(kind, inode) +
                  struct.pack("<IIIQQQQQ", MODES[kind], 0, 0, 1, 0, size, 512, 1) +
                  struct.pack("<6Q", 1, 2, 3, 4, 5, 6))


def data(contents):
    return answer(struct.pack("<I", len(contents)) + contents)


def text(string):
    return struct.pack("<H", len(string)) + string


def entry(kind, inode, name):
    return qid(kind, inode) + struct.pack("<QB", inode, MODES[kind] >> 12) + text(name)


OPENED = found(FILE, 2) + attributes(FILE, 2) + SAME + answer()
CREATED = NOT_THERE + SAME + answer(qid(FILE, 2) + bytes(4)) + found(FILE, 2)
COUNT = struct.pack("<I", 5)


# -- What they do ---------------------------------------------------------------------------------

def files_seeds(with_server):
    """The same calls, of whom only the host's directory has a server to ask."""
    def do(calls, *answers):
        return calls + (b"".join(answers) if with_server else b"")

    create = do(file_call("open", at="a", flags=READ | WRITE | CREATE | FOLLOW), CREATED)
    open_it = do(file_call("open", at="a", flags=READ | WRITE | FOLLOW), OPENED)
    write = do(file_call("write", 1, room=5), answer(COUNT))
    append = do(file_call("append", 1, room=5), attributes(FILE, 2), SAME, answer(), answer(COUNT),
                attributes(FILE, 2, 10))
    read = do(file_call("read", 1, room=100), data(b"abcde"))
    folder = do(file_call("make_directory", at="b"), NOT_THERE, answer(), found(FOLDER, 3))
    link = do(file_call("make_link", at="c", other="b"), NOT_THERE, answer(), found(LINK, 4))
    follow = [found(LINK, 4), answer(text(b"b")), found(FOLDER, 3)]
    unlink = do(file_call("unlink", at="a"), found(FILE, 2), answer())
    entries = [data(entry(FOLDER, 1, b".") + entry(FILE, 2, b"a") + entry(LINK, 4, b"c")), data(b"")]
    gone = [NOT_THERE] + [data(b"x")] * 3 + [data(b"")] * 8  # the size is found by reading
    return {
        "contents": create + write + append + read +
                    do(file_call("set_size", 1, first=3), attributes(FILE, 2), answer()) +
                    do(file_call("allocate", 1, first=2, second=0x4000), attributes(FILE, 2),
                       attributes(FILE, 2), answer()) +
                    do(file_call("sync", 1), answer()) +
                    do(file_call("set_times", 1, flags=1 | 8, first=7), attributes(FILE, 2),
                       answer()) +
                    do(file_call("stat", 1, room=100), attributes(FILE, 2)),
        "opened": open_it + write + read + append +
                  do(file_call("open", at="a", flags=WRITE | TRUNCATE), found(FILE, 2), answer(),
                     attributes(FILE, 2), SAME, answer()),
        "list": folder + link + create +
                do(file_call("list", room=200), SAME, answer(), *entries) +
                do(file_call("open", at="c", flags=READ | DIRECTORY | FOLLOW), *follow) +
                do(file_call("list", 2, room=200), SAME, answer(), *entries) +
                do(file_call("read_link", at="c", room=9), found(LINK, 4), answer(text(b"b"))) +
                do(file_call("sync"), answer()),
        "names": folder + create + link +
                 do(file_call("rename", at="a", other="b/a"), found(FILE, 2), found(FOLDER, 3),
                    NOT_THERE, answer()) +
                 do(file_call("link", at="b/a", other="c/c"), *follow, NOT_THERE,
                    found(FOLDER, 3), found(FILE, 2), answer()) +
                 do(file_call("remove_directory", at="b"), found(FOLDER, 3), error(39)) +
                 do(file_call("unlink", at="b/.."), found(FOLDER, 3)) +
                 do(file_call("stat", at="c/a", flags=FOLLOW, room=100), *follow, found(FILE, 2),
                    attributes(FILE, 2)) +
                 do(file_call("remove_directory", at="b"), found(FOLDER, 3), answer()),
        "gone": create + write + unlink + read +
                do(file_call("stat", 1, room=100), *gone) +
                do(file_call("append", 1, room=5), *gone, answer(COUNT), *gone) +
                do(file_call("set_size", 1, first=9), NOT_THERE, *gone, answer(COUNT)),
        "scarce": create + FAIL_NEXT + folder + FAIL_NEXT + open_it + FAIL_NEXT + write +
                  file_call("stat_system", room=100),
    }


def pci_seeds():
    function = 2  # the channel that a claim makes, behind those that were there
    claim = pci_call("claim", 1)
    close = b"\x20"

    def change(slot, at, value):
        return bytes([0x40, slot, at, value])

    def machine(which):
        return bytes([which] * 4)

    resources = b"".join(pci_call(name, function, bar) for bar in range(6)
                         for name in ("range", "ports"))
    interrupts = b"".join(pci_call("interrupt", function, index) for index in (0, 1, 0, 3, 63))
    line = pci_call("interrupt", function, 0, 1)
    memory = pci_call("dma", function, 0x2000) + pci_call("dma", function, 1)
    start = pci_call("config", function, room=256) + pci_call("start", function)
    files = pci_call("list", 0, room=200) + pci_call("stat", 0, room=100)
    return {
        "resources": machine(0x0f) + claim + start + resources + memory + files + close,
        "messages": machine(0x02) + claim + start + interrupts + pci_call("reset", function) +
                    interrupts + close + claim + interrupts,
        "message": machine(0x01) + claim + interrupts + close + claim,
        "wide_message": machine(0x81) + claim + interrupts,
        "lines": machine(0x50) + claim + line + interrupts + pci_call("claim", 1, 1) + line,
        "no_line": machine(0x00) + claim + line,
        "resets": machine(0x04) + claim + pci_call("reset", function) + close +
                  machine(0x08) + claim + close,
        "grown_table": machine(0x02) + claim + pci_call("interrupt", function, 0) +
                       change(0, 0x52, 63) + pci_call("interrupt", function, 63),
        "moved_table": machine(0x02) + claim + pci_call("interrupt", function, 0) +
                       change(0, 0x54, 7) + pci_call("interrupt", function, 1),
        "all_taken": machine(0x00) + b"".join(pci_call("claim", 1, i) for i in range(5)),
        "any": bytes([0xff]) + bytes(0x90) + bytes(3) + claim + resources,
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    all_seeds = {"tmpfs": files_seeds(False), "ninep": files_seeds(True), "pci": pci_seeds()}
    for service, seeds in all_seeds.items():
        folder = pathlib.Path(sys.argv[1]) / service
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in seeds.items():
            (folder / name).write_bytes(contents)


if __name__ == "__main__":
    main()
