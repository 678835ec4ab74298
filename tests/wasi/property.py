"""Random sequences of WASI calls about files, from a seed: carried out by calls.wasm in some place,
and compared with what the model says. Where they differ, the sequence is cut down to what matters.

    tests/wasi/property_test.py runs it; WASI_SEED and WASI_CALLS choose another sequence.
"""

import random
import struct
import time
from dataclasses import dataclass, replace

from model import (APPEND, CREAT, DIRECTORY, DIRECTORY_RIGHTS, DSYNC, EXCL, FILE_RIGHTS, FOLLOW,
                   NONBLOCK, RSYNC, SIGNED_MAX, SLOTS, SYNC, TRUNC, Failure, Model, rights)

NO_RIGHTS_ASKED = 0
ALL_RIGHTS = DIRECTORY_RIGHTS | FILE_RIGHTS
WRITING = rights("FD_WRITE FD_ALLOCATE FD_FILESTAT_SET_SIZE")
FIRST_FREE_SLOT = 2

# What is left out where node is to do the same (docs/conformance.md says why).
NOT_PLAIN = "piIFfgvxlLyT"


@dataclass(frozen=True)
class Call:
    op: str
    slot: int = 0
    other: int = 0
    dirflags: int = 0
    oflags: int = 0
    fdflags: int = 0
    path: bytes = b""
    other_path: bytes = b""
    n: int = 0
    x: int = 0
    y: int = 0

    def packed(self):
        return struct.pack("<BBBBHHHHIQQ", ord(self.op), self.slot, self.other, self.dirflags,
                           self.oflags, self.fdflags, len(self.path), len(self.other_path), self.n,
                           self.x, self.y) + self.path + self.other_path

    def data(self):
        """What a write writes."""
        return bytes((self.y + 7 * i + (i >> 8)) & 255 for i in range(self.n))

    def __str__(self):
        fields = [f"{name}={value!r}" for name, value in vars(self).items()
                  if name != "op" and value not in (0, b"")]
        return f"{OPERATIONS[self.op][0]}({', '.join(fields)})"


# What there is, and how often it comes.
OPERATIONS = {
    "o": ("path_open", 26), "c": ("fd_close", 3), "x": ("fd_renumber", 2), "F": ("fd_fdstat_get", 2),
    "f": ("fd_fdstat_set_flags", 2), "g": ("fd_fdstat_set_rights", 1), "r": ("fd_read", 5),
    "R": ("fd_pread", 4), "w": ("fd_write", 6), "W": ("fd_pwrite", 4), "k": ("fd_seek", 4),
    "K": ("fd_tell", 1), "z": ("fd_filestat_set_size", 2), "a": ("fd_allocate", 2),
    "y": ("fd_sync", 1), "v": ("fd_advise", 1), "p": ("poll_oneoff", 2),
    "t": ("fd_filestat_set_times", 2), "T": ("path_filestat_set_times", 3),
    "s": ("fd_filestat_get", 4), "S": ("path_filestat_get", 8), "L": ("path_readlink", 3),
    "i": ("fd_readdir", 2), "I": ("fd_readdir, a part", 6), "m": ("path_create_directory", 8),
    "d": ("path_remove_directory", 4), "u": ("path_unlink_file", 5), "n": ("path_rename", 8),
    "h": ("path_link", 5), "l": ("path_symlink", 6),
}

NAMES = [b"a", b"b", b"c", b"d", b"e", b"long" * 63 + b"abc", "\u00fc\U0001f40c".encode()]
ODD_NAMES = [b".", b"..", b"n" * 256, b"x\0y", b"\xff\xfe", b"", b"\xc0\x80", b"\xed\xa0\x80", b"\x7f \t"]


class Generator:
    """Makes calls that often mean something, because it knows the model's state. With `plain`,
    there is nothing in paths but names, and rights are not narrowed: what node can do as well."""

    def __init__(self, seed, plain=False, spares_open=False):
        self.random = random.Random(seed)
        self.plain = plain
        self.spares_open = spares_open  # nothing that is open loses its name
        self.model = Model()
        self.weights = [0 if plain and op in NOT_PLAIN else weight
                        for op, (_, weight) in OPERATIONS.items()]

    def chance(self, probability):
        return self.random.random() < probability

    # -- Paths ------------------------------------------------------------------------------------

    def way_down(self, node):
        """A path to something that is there."""
        names = []
        while node.kind == "dir" and node.names and (not names or self.chance(0.6)):
            name = self.random.choice(list(node.names))
            names.append(name)
            node = node.names[name]
        if self.chance(0.25):
            names[-1:] = [*names[-1:], self.random.choice(NAMES)] if self.chance(0.5) else \
                [self.random.choice(NAMES)]
        return names

    def below(self, node, names=(), depth=0):
        """Some of what there is, with the way there."""
        yield node, list(names)
        if node.kind == "dir" and depth < 5:
            for name, child in list(node.names.items()):
                if self.chance(0.8):
                    yield from self.below(child, (*names, name), depth + 1)

    def way_to(self, node, want):
        """A path to something of that kind, or to a name that is not there yet ("new")."""
        found = list(self.below(node))
        self.random.shuffle(found)
        for node, names in found[:40]:
            if want == "new" and node.kind == "dir":
                free = [name for name in NAMES if name not in node.names]
                if free:
                    return [*names, self.random.choice(free)]
            elif names and (node.kind == want or (want == "empty" and node.kind == "dir" and not node.names)):
                return names
        return self.any_way()

    def any_way(self):
        return [self.random.choice(NAMES) for _ in range(self.random.randint(1, 3))]

    def odd(self, names):
        kind = self.random.randrange(8)
        at = self.random.randint(0, len(names))
        if kind < 4:
            names[at:at] = [self.random.choice([b".", b"..", b"", b".."])]
        elif kind < 6:
            names[at:at] = [self.random.choice(ODD_NAMES)]
        elif kind == 6:
            names.append(b"")  # a slash at the end
        else:
            names[:] = [b"."] * self.random.choice([1024, 2047, 2048, 2049]) + names
        return names

    def path(self, slot, want):
        handle = self.model.slots[slot]
        known = handle is not None and handle.node.kind == "dir" and self.chance(0.9)
        names = self.any_way() if not known else \
            self.way_to(handle.node, want) if self.chance(0.7) else self.way_down(handle.node)
        if not self.plain and self.chance(0.15):
            names = self.odd(names)
        path = b"/".join(names)
        if not self.plain and self.chance(0.05):
            path += b"/" * self.random.randint(1, 3)
        if not self.plain and self.chance(0.005):
            path = b"/" + path
        return path if path or not self.plain else b"a"

    def target(self):
        if self.plain:
            return self.random.choice(NAMES[:5])
        names = self.any_way()
        for _ in range(self.random.choice([0, 0, 1, 2])):
            names.insert(self.random.randint(0, len(names)), b"..")
        if self.chance(0.05):
            names = self.odd(names)
        return b"/".join(names)

    # -- Slots ------------------------------------------------------------------------------------

    def slot(self, kind):
        """Mostly one where such a thing is open; the first two have all rights."""
        if kind == "dir" and (self.plain or self.chance(0.5)):
            return self.random.randrange(FIRST_FREE_SLOT)
        fitting = [i for i, handle in enumerate(self.model.slots) if handle and handle.node.kind == kind]
        if fitting and self.chance(0.95):
            return self.random.choice(fitting)
        return self.random.randrange(SLOTS)

    def any_slot(self):
        return self.random.randrange(FIRST_FREE_SLOT, SLOTS)

    def free_slot(self):
        free = [i for i, handle in enumerate(self.model.slots) if handle is None]
        return self.random.choice(free) if free and self.chance(0.9) else self.any_slot()

    def closable_slot(self):
        """Not one of the first two: without them soon nothing would be left to do."""
        slot = self.slot("file") if self.chance(0.5) else 0
        return slot if slot >= FIRST_FREE_SLOT else self.any_slot()

    def kind(self):
        return "file" if self.plain else self.random.choice(["file", "file", "dir", "link"])

    # -- Numbers ----------------------------------------------------------------------------------

    def length(self):
        return self.random.choice([0, 1, 7, 100, 1000, 4095, 4096, 4097, 33000]
                                  if self.chance(0.3) else [1, 5, 20, 60])

    def offset(self):
        if not self.plain and self.chance(0.03):
            return self.random.choice([SIGNED_MAX, SIGNED_MAX + 1, 2**64 - 1])
        return self.random.choice([0, 1, 10, 63, 64, 4096, 16384, 65536, self.random.randrange(100000)])

    def asked_rights(self, oflags):
        if self.plain:
            # With the right to sync data node opens a directory for writing.
            return DIRECTORY_RIGHTS & ~rights("FD_DATASYNC") if oflags & DIRECTORY else FILE_RIGHTS
        kind = self.random.random()
        if kind < 0.55:
            return ALL_RIGHTS & ~WRITING if oflags & DIRECTORY else FILE_RIGHTS
        if kind < 0.7:
            return ALL_RIGHTS & ~WRITING
        if kind < 0.8:
            return ALL_RIGHTS
        if kind < 0.9:
            return self.random.choice([rights("FD_READ"), rights("FD_WRITE"), NO_RIGHTS_ASKED,
                                       rights("FD_READ FD_WRITE FD_TELL"), 2**64 - 1])
        return self.random.getrandbits(28)

    def inheriting(self):
        kind = self.random.random()
        return ALL_RIGHTS if self.plain or kind < 0.95 else 0 if kind < 0.97 else self.random.getrandbits(28)

    def fdflags(self):
        if self.plain: # there an appending descriptor's fd_pwrite appends, too
            return 0
        if self.chance(0.7):
            return APPEND if self.chance(0.2) else 0
        return self.random.choice([APPEND, DSYNC, NONBLOCK, RSYNC, SYNC, 31, 32, DSYNC | APPEND])

    def oflags(self):
        if self.plain:
            return self.random.choice([0, CREAT, CREAT, CREAT | EXCL, TRUNC, DIRECTORY, DIRECTORY])
        return self.random.choice([0, 0, CREAT, CREAT, DIRECTORY, DIRECTORY, DIRECTORY,
                                   self.random.randrange(16)] if self.chance(0.98) else [16, 32])

    def times(self):
        flags = self.random.choice([1, 2, 4, 8, 5, 6, 9, 10, 0])
        if self.chance(0.05) and not self.plain: # flags that contradict each other, or are none
            flags = self.random.randrange(40)
        accessed, modified = (self.random.randrange(10**15) for _ in range(2))
        if self.plain:  # whole seconds
            accessed, modified = accessed // 10**9 * 10**9, modified // 10**9 * 10**9
        return {"n": flags, "x": accessed, "y": modified}

    def follow(self):
        if not self.plain and self.chance(0.01):
            return self.random.choice([2, 3, 128])
        return self.random.choice([0, FOLLOW])

    # -- Calls ------------------------------------------------------------------------------------

    def next(self):
        op = self.random.choices(list(OPERATIONS), self.weights)[0]
        call = getattr(self, "make_" + {"R": "r", "W": "w"}.get(op, op), self.make_other)(op)
        if self.spares_open and self.takes_a_name(call):
            return self.next()
        self.model.apply(call)
        return call

    def takes_a_name(self, call):
        """Whether something that is open would have one name less."""
        slot, path = {"u": (call.slot, call.path), "d": (call.slot, call.path),
                      "n": (call.other, call.other_path)}.get(call.op, (None, None))
        handle = None if slot is None else self.model.slots[slot]
        try:
            node = handle and self.model.walk(handle.node, path, "name").node
        except Failure:
            return False
        return bool(node and node.opened)

    def make_o(self, op):
        slot, oflags = self.slot("dir"), self.oflags()
        want = "dir" if oflags & DIRECTORY else "new" if oflags & CREAT else "file"
        path = self.path(slot, want if self.chance(0.8) else self.kind())
        return Call(op, slot, self.free_slot(), self.follow(), oflags, self.fdflags(), path, x=self.asked_rights(oflags), y=self.inheriting())

    def make_c(self, op):
        return Call(op, self.closable_slot())

    def make_x(self, op):
        return Call(op, self.closable_slot(), self.any_slot())

    def make_f(self, op):
        return Call(op, self.slot("file"), fdflags=self.fdflags())

    def make_g(self, op):
        slot = self.any_slot()
        handle = self.model.slots[slot]
        if handle is None or self.chance(0.1) or self.plain:
            return Call(op, slot, x=0 if self.plain else ALL_RIGHTS, y=0)
        dropped = 1 << self.random.randrange(28)
        return Call(op, slot, x=handle.rights & ~dropped, y=handle.inheriting)

    def make_r(self, op):
        return Call(op, self.slot("file"), self.random.randint(0, 3), n=self.length(), x=self.offset())

    def make_w(self, op):
        return replace(self.make_r(op), y=self.random.randrange(256))

    def make_k(self, op):
        delta = self.offset() * self.random.choice([1, 1, 1, -1])
        if self.chance(0.1):
            delta = 0
        return Call(op, self.slot("file"), self.random.choice([0, 0, 1, 2, 2, 3 if not self.plain else 0]),
                    x=delta % 2**64)

    def make_z(self, op):
        return Call(op, self.slot("file"), x=self.offset())

    def make_a(self, op):
        offset = self.random.randrange(100000) if self.plain else self.offset()
        return Call(op, self.slot("file"), x=offset, y=self.random.choice([1, 100, 5000] if self.plain else [0, 1, 100, 5000, 2**63]))

    def make_v(self, op):
        return Call(op, self.slot("file"), x=self.offset(), y=self.length(), n=self.random.randrange(7))

    def make_y(self, op):
        return Call(op, self.slot(self.random.choice(["file", "dir"])), self.random.randrange(2))

    def make_p(self, op):
        return Call(op, self.slot("file"))

    def make_t(self, op):
        return Call(op, self.slot(self.random.choice(["file", "dir"])), **self.times())

    def make_T(self, op):
        slot = self.slot("dir")
        return Call(op, slot, dirflags=self.follow(), path=self.path(slot, self.kind()), **self.times())

    def make_S(self, op):
        slot = self.slot("dir")
        return Call(op, slot, dirflags=self.follow(), path=self.path(slot, self.kind()))

    def make_L(self, op):
        slot = self.slot("dir")
        size = 4096 if self.plain else self.random.choice([0, 1, 3, 100, 4096, 100000])
        return Call(op, slot, path=self.path(slot, "link"), n=size)

    def make_i(self, op):
        return Call(op, self.slot("dir"), n=self.random.choice([279, 280, 300, 1000, 4096, 100000]))

    def make_I(self, op):
        size = self.random.choice([0, 10, 24, 25, 60, 100, 279, 400, 1000])
        return Call(op, self.slot("dir"), int(self.chance(0.3)), n=size)

    def make_two(self, op):
        slot, other = self.slot("dir"), self.slot("dir")
        kind = self.kind()
        new = "new" if self.chance(0.6) else kind
        return Call(op, slot, other, self.follow() if op == "h" else 0,
                    path=self.path(slot, "file" if op == "h" else kind), other_path=self.path(other, new))

    make_n = make_h = make_two

    def make_l(self, op):
        slot = self.slot("dir")
        return Call(op, slot, path=self.path(slot, "new"), other_path=self.target())

    def make_other(self, op):
        """One with a descriptor alone, or with a path below one."""
        if op in "mdu":
            slot = self.slot("dir")
            return Call(op, slot, path=self.path(slot, {"m": "new", "d": "empty", "u": "file"}[op]))
        return Call(op, self.slot(self.random.choice(["file", "file", "dir"])))


def generate(seed, count, **options):
    generator = Generator(seed, **options)
    return [generator.next() for _ in range(count)]


# -- Comparing ------------------------------------------------------------------------------------


@dataclass
class Difference:
    index: int
    call: Call
    line: str
    why: str

    def __str__(self):
        return f"call {self.index}, {self.call}: {self.why or self.line}"


def is_failure(line):
    return line.split()[0] != "0"


def compare(calls, lines, any_error=False):
    """The first difference from the model, or None. With `any_error` a call that is to fail may do so
    with any error number."""
    model = Model()
    for index, call in enumerate(calls):
        if index >= len(lines):
            return Difference(index, call, "", "nothing came back")
        expect = model.apply(call)
        try:
            expect.check(lines[index])
        except AssertionError as error:
            excused = any_error and str(expect).startswith("{") and is_failure(lines[index])
            if not excused:
                return Difference(index, call, lines[index], str(error))
    return None


def script(calls):
    return b"".join(call.packed() for call in calls)


def shrink(calls, difference, differs, seconds=60):
    """A shorter sequence that still differs in its last call. `differs` runs one and returns the
    difference, or None."""
    deadline = time.monotonic() + seconds
    calls = calls[:difference.index + 1]
    size = len(calls) // 2
    while size:
        at = len(calls) - 1
        while at > 0:
            if time.monotonic() > deadline:
                return calls, difference
            start = max(0, at - size)
            shorter = calls[:start] + calls[at:]
            found = differs(shorter)
            if found is not None and found.call.op == difference.call.op:
                calls, difference = shorter[:found.index + 1], found
                at = min(start, len(calls) - 1)
            else:
                at = start
        size //= 2
    return calls, difference
