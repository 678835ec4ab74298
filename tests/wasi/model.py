"""A model of WASI preview 1's calls about files: a tree of nodes, and descriptors on it. `apply`
carries a call out and says what must come back. Nothing here knows of any implementation; where the
standard leaves a choice, or several errors apply at once, the expectation says which answers will
do (docs/conformance.md tells which choices those are).
"""

import zlib
from dataclasses import dataclass, field

ERRNOS = """SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY
CANCELED CHILD CONNABORTED CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG
HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP
NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV NOENT NOEXEC NOLCK NOLINK NOMEM NOMSG
NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK NOTSUP NOTTY NXIO OVERFLOW
OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE TIMEDOUT TXTBSY XDEV
NOTCAPABLE""".split()
NUMBER = {name: number for number, name in enumerate(ERRNOS)}

RIGHTS = """FD_DATASYNC FD_READ FD_SEEK FD_FDSTAT_SET_FLAGS FD_SYNC FD_TELL FD_WRITE FD_ADVISE FD_ALLOCATE
PATH_CREATE_DIRECTORY PATH_CREATE_FILE PATH_LINK_SOURCE PATH_LINK_TARGET PATH_OPEN FD_READDIR
PATH_READLINK PATH_RENAME_SOURCE PATH_RENAME_TARGET PATH_FILESTAT_GET PATH_FILESTAT_SET_SIZE
PATH_FILESTAT_SET_TIMES FD_FILESTAT_GET FD_FILESTAT_SET_SIZE FD_FILESTAT_SET_TIMES PATH_SYMLINK
PATH_REMOVE_DIRECTORY PATH_UNLINK_FILE POLL_FD_READWRITE""".split()
RIGHT = {name: 1 << bit for bit, name in enumerate(RIGHTS)}


def rights(text):
    return sum(RIGHT[name] for name in text.split())


FILE_RIGHTS = rights("""FD_DATASYNC FD_READ FD_SEEK FD_FDSTAT_SET_FLAGS FD_SYNC FD_TELL FD_WRITE
    FD_ADVISE FD_ALLOCATE FD_FILESTAT_GET FD_FILESTAT_SET_SIZE FD_FILESTAT_SET_TIMES
    POLL_FD_READWRITE""")
DIRECTORY_RIGHTS = rights("""FD_DATASYNC FD_FDSTAT_SET_FLAGS FD_SYNC FD_ADVISE FD_READDIR
    FD_FILESTAT_GET FD_FILESTAT_SET_TIMES POLL_FD_READWRITE""") | sum(
        bit for name, bit in RIGHT.items() if name.startswith("PATH_"))

CREAT, DIRECTORY, EXCL, TRUNC = 1, 2, 4, 8
APPEND, DSYNC, NONBLOCK, RSYNC, SYNC = 1, 2, 4, 8, 16
FOLLOW = 1
ATIM, ATIM_NOW, MTIM, MTIM_NOW = 1, 2, 4, 8
TYPE = {"dir": 3, "file": 4, "link": 7}

NAME_MAX, PATH_MAX, LINKS_MAX = 255, 4095, 40
SIGNED_MAX = 2**63 - 1
LONG_AGO = 10**17  # times that are set are before, times that are taken are after
LARGEST_FILE = 2**40  # no call asks for one between this and what a file system can hold
SLOTS = 16


class Failure(Exception):
    """A call fails with this error, or with one of the others, if they apply as well."""

    def __init__(self, *names):
        self.names = names


def fail(*names):
    raise Failure(*names)


@dataclass(eq=False)
class Node:
    kind: str
    links: int = 0
    data: bytearray = field(default_factory=bytearray)
    names: dict = field(default_factory=dict)
    target: bytes = b""
    parent: "Node" = None
    opened: int = 0
    inode: int = None  # what was seen of it
    # Times as they were set, or None for some present time; loose: perhaps the present all the same.
    accessed: int = None
    modified: int = None
    accessed_loose: bool = False
    modified_loose: bool = False

    def is_alive(self):
        return self.links != 0 or self.opened != 0

    def changed(self):
        self.modified, self.modified_loose = None, False

    def size(self):
        return {"file": len(self.data), "link": len(self.target)}.get(self.kind)


@dataclass(eq=False)
class Handle:
    node: Node
    rights: int
    inheriting: int
    flags: int = 0
    position: int = 0
    listing: "Listing" = None


class Listing:
    """What a listing in parts must still show, may show, and has shown."""

    def __init__(self, node):
        self.must = {b".": node, b"..": None} | dict(node.names)
        self.may = []

    def name_added(self, name, node):
        self.may.append((name, node))

    def name_removed(self, name):
        # It may have been fetched before, and be shown all the same.
        if name in self.must:
            self.may.append((name, self.must.pop(name)))

    def name_shown(self, name, kind, inode):
        for known in (inode, None):  # it may be seen for the first time
            def fits(node):
                return node is None or (TYPE[node.kind] == kind and node.inode == known)

            if name in self.must and fits(self.must[name]):
                return self.must.pop(name)
            for entry in reversed(self.may):
                if entry[0] == name and fits(entry[1]):
                    self.may.remove(entry)
                    return entry[1]
        raise AssertionError(f"the listing shows {name!r}, type {kind}, which it has shown or never had")


@dataclass
class Place:
    """Where a path has led: the last name, whose directory it is, and what it names."""

    directory: Node
    node: Node
    name: bytes  # None: the path ends in "." or ".."
    up: bool
    slash: bool


class Expect:
    """What a call must print: fields, each a value, a set of values or a predicate."""

    def __init__(self, *fields):
        self.fields = fields

    def check(self, line):
        seen = line.split()
        assert len(seen) == len(self.fields), f"expected {self}, got {line!r}"
        for want, got in zip(self.fields, seen):
            if callable(want):
                want(got)
            elif isinstance(want, (set, frozenset)):
                assert got in {str(value) for value in want}, f"expected {self}, got {line!r}"
            else:
                assert got == str(want), f"expected {self}, got {line!r}"

    def __str__(self):
        return " ".join("?" if callable(f) else str(f) for f in self.fields)


def check_path(path):
    if len(path) == 0:
        fail("NOENT")
    if len(path) > PATH_MAX:
        fail("NAMETOOLONG")
    if b"\0" in path:
        fail("INVAL")
    try:
        path.decode()
    except UnicodeDecodeError:
        fail("ILSEQ")
    if path.startswith(b"/"):
        fail("NOTCAPABLE")


class Model:
    def __init__(self):
        roots = [Node("dir", links=1), Node("dir", links=1)]
        for root in roots:
            root.parent = root
        self.slots = [None] * SLOTS
        for i, root in enumerate(roots):
            root.opened = 1
            self.slots[i] = Handle(root, DIRECTORY_RIGHTS, DIRECTORY_RIGHTS | FILE_RIGHTS)
        self.inodes = {}

    # -- Paths ------------------------------------------------------------------------------------

    def walk(self, root, path, last, others=()):
        """`last` is "follow", "stay" (but a slash behind a link follows it), or "name". `others` are
        errors that apply as well when this fails."""
        try:
            return self.walk_path(root, path, last)
        except Failure as failure:
            raise Failure(*failure.names, *others) from None

    def walk_path(self, root, path, last):
        self.ends_in_slash = path.endswith(b"/")  # or the target of a link at the end does
        check_path(path)
        chain, text, links = [root], path, 0
        while True:
            name, slash, text = text.partition(b"/")
            text = text.lstrip(b"/")
            is_last = text == b""
            if len(name) > NAME_MAX:
                fail("NAMETOOLONG", *(["NOENT"] if chain[-1].links == 0 else []))
            if name in (b".", b".."):
                if name == b"..":
                    if len(chain) == 1:
                        fail("NOTCAPABLE")
                    chain.pop()
                if is_last:
                    return Place(chain[-1], chain[-1], None, name == b"..", bool(slash))
                continue
            node = chain[-1].names.get(name)
            if node is None and not is_last:
                fail("NOENT")
            if node is not None and node.kind == "link":
                node.accessed_loose = True
                if not is_last or last == "follow" or (last == "stay" and slash):
                    links += 1
                    if links > LINKS_MAX:
                        fail("LOOP", "NAMETOOLONG")  # if the targets are long, together
                    check_path(node.target)
                    self.ends_in_slash |= is_last and node.target.endswith(b"/")
                    text = node.target + (b"/" if slash else b"") + text
                    continue
            if is_last:
                return Place(chain[-1], node, name, False, bool(slash))
            if node.kind != "dir":
                fail("NOTDIR")
            chain.append(node)

    def find(self, root, path, follow):
        place = self.walk(root, path, "follow" if follow else "stay")
        if place.node is None:
            fail("NOENT")
        if place.slash and place.node.kind != "dir":
            fail("NOTDIR")
        return place.node

    # -- Names ------------------------------------------------------------------------------------

    def listings(self, directory):
        return [h.listing for h in self.slots if h and h.node is directory and h.listing]

    def add(self, directory, name, node):
        if directory.links == 0:
            fail("NOENT")  # it was removed
        directory.names[name] = node
        directory.changed()
        node.links += 1
        if node.kind == "dir":
            node.parent = directory
        for listing in self.listings(directory):
            listing.name_added(name, node)

    def drop(self, directory, name):
        node = directory.names.pop(name)
        directory.changed()
        node.links -= 1
        if node.kind == "dir":
            node.parent = node  # it is below nothing
        for listing in self.listings(directory):
            listing.name_removed(name)
        return node

    def release(self, handle):
        handle.node.opened -= 1

    # -- Descriptors ------------------------------------------------------------------------------

    def handle(self, slot, right=0):
        handle = self.slots[slot]
        if handle is None:
            fail("BADF")
        if right & ~handle.rights:
            fail("NOTCAPABLE")
        return handle

    def base(self, slot, right, path):
        """A directory's descriptor, for a path below it."""
        handle = self.handle(slot)
        if handle.node.kind != "dir":
            fail("NOTDIR")
        if right & ~handle.rights:
            fail("NOTCAPABLE")
        if len(path) > PATH_MAX + 1:
            fail("NAMETOOLONG")
        return handle

    # -- Calls ------------------------------------------------------------------------------------

    def apply(self, call):
        """Carries a call out; returns an Expect."""
        try:
            result = CALLS[call.op](self, call)
            return result if isinstance(result, Expect) else Expect(0, *(result or ()))
        except Failure as failure:
            numbers = {NUMBER[name] for name in failure.names}
            if call.op in "iI":
                return Expect("=", numbers, *([0] if call.op == "I" else []))
            return Expect(numbers)

    def open(self, call):
        if self.slots[call.other] is not None:
            self.release(self.slots[call.other])
            self.slots[call.other] = None
        right = RIGHT["PATH_OPEN"]
        right |= RIGHT["PATH_CREATE_FILE"] if call.oflags & CREAT else 0
        right |= RIGHT["PATH_FILESTAT_SET_SIZE"] if call.oflags & TRUNC else 0
        right |= RIGHT["FD_SYNC"] if call.fdflags & (SYNC | RSYNC) else 0
        base = self.base(call.slot, right, call.path)
        if call.dirflags & ~FOLLOW:
            fail("INVAL")
        if call.fdflags & DSYNC and not base.rights & rights("FD_SYNC FD_DATASYNC"):
            fail("NOTCAPABLE")
        if call.oflags & ~15 or call.fdflags & ~31 or (call.oflags & CREAT and call.oflags & DIRECTORY):
            fail("INVAL")
        missing = call.x & ~base.inheriting
        expected = DIRECTORY_RIGHTS if call.oflags & DIRECTORY else FILE_RIGHTS
        if not call.oflags & (DIRECTORY | CREAT | TRUNC):
            expected = FILE_RIGHTS & DIRECTORY_RIGHTS
        if missing & expected:
            fail("NOTCAPABLE")
        node = self.open_node(call, base)
        sensible = DIRECTORY_RIGHTS if node.kind == "dir" else FILE_RIGHTS
        if missing & sensible:
            fail("NOTCAPABLE")
        node.opened += 1
        self.slots[call.other] = Handle(node, call.x & sensible, call.y & base.inheriting, call.fdflags)

    def open_node(self, call, base):
        creates, only_new = call.oflags & CREAT, call.oflags & CREAT and call.oflags & EXCL
        follow = call.dirflags & FOLLOW and not only_new
        try:
            place = self.walk(base.node, call.path, "follow" if follow else "stay")
        except Failure as failure:
            fail(*failure.names, *(["ISDIR"] if creates and self.ends_in_slash else []))
        granted = call.x & base.inheriting
        resize = rights("FD_ALLOCATE FD_FILESTAT_SET_SIZE")
        writes = granted & RIGHT["FD_WRITE"] or (granted & resize and not call.oflags & DIRECTORY)
        if creates and place.slash and place.name is not None:
            fail("ISDIR")  # what is created is no directory
        if place.node is None:
            if not creates:
                fail("NOENT")
            node = Node("file")
            self.add(place.directory, place.name, node)
            return node
        node = place.node
        if only_new:
            fail("EXIST")
        if node.kind == "dir":
            if writes or creates or call.oflags & TRUNC:
                fail("ISDIR")
            return node
        if place.slash or call.oflags & DIRECTORY:
            fail("NOTDIR")
        if node.kind == "link":
            fail("LOOP")
        if call.oflags & TRUNC:
            node.data = bytearray()
            node.changed()
        return node

    def close(self, call):
        self.release(self.handle(call.slot))
        self.slots[call.slot] = None

    def renumber(self, call):
        source, target = self.handle(call.slot), self.handle(call.other)
        if call.slot != call.other:
            self.release(target)
            self.slots[call.other], self.slots[call.slot] = source, None

    def fdstat(self, call):
        handle = self.handle(call.slot)
        return TYPE[handle.node.kind], handle.flags, handle.rights, handle.inheriting

    def set_flags(self, call):
        handle = self.handle(call.slot, RIGHT["FD_FDSTAT_SET_FLAGS"])
        if call.fdflags & ~31:
            fail("INVAL")
        handle.flags = call.fdflags

    def set_rights(self, call):
        handle = self.handle(call.slot)
        if call.x & ~handle.rights or call.y & ~handle.inheriting:
            fail("NOTCAPABLE")
        handle.rights, handle.inheriting = call.x, call.y

    # -- Contents ---------------------------------------------------------------------------------

    def stream(self, call, right):
        handle = self.handle(call.slot)
        if handle.node.kind == "dir":
            fail("ISDIR")
        if right & ~handle.rights:
            fail("NOTCAPABLE")
        return handle

    def check_range(self, offset, call):
        if offset + call.n > SIGNED_MAX:
            fail("INVAL")

    def check_end(self, end):
        if end > LARGEST_FILE:
            fail("FBIG")

    def read_at(self, handle, offset, call):
        self.check_range(offset, call)
        data = bytes(handle.node.data[offset:offset + call.n])
        if call.n:
            handle.node.accessed_loose = True
        return len(data), zlib.crc32(data)

    def read(self, call):
        handle = self.stream(call, RIGHT["FD_READ"])
        result = self.read_at(handle, handle.position, call)
        handle.position += result[0]
        return result

    def pread(self, call):
        return self.read_at(self.stream(call, rights("FD_READ FD_SEEK")), call.x, call)

    def write_at(self, handle, offset, call):
        self.check_range(offset, call)
        node = handle.node
        if call.n == 0:
            return 0,
        self.check_end(offset + call.n)
        if offset > len(node.data):
            node.data.extend(bytes(offset - len(node.data)))
        node.data[offset:offset + call.n] = call.data()
        node.changed()
        return call.n,

    def write(self, call):
        handle = self.stream(call, RIGHT["FD_WRITE"])
        appends = handle.flags & APPEND and call.n != 0
        offset = len(handle.node.data) if appends else handle.position
        result = self.write_at(handle, offset, call)
        if call.n:
            handle.position = offset + call.n
        return result

    def pwrite(self, call):
        return self.write_at(self.stream(call, rights("FD_WRITE FD_SEEK")), call.x, call)

    def seek(self, call):
        delta = call.x - (1 << 64) if call.x >> 63 else call.x
        return self.seek_to(call.slot, delta, call.other)

    def tell(self, call):
        return self.seek_to(call.slot, 0, 1)

    def seek_to(self, slot, delta, whence):
        handle = self.handle(slot)
        only_tells = whence == 1 and delta == 0
        wanted = rights("FD_TELL FD_SEEK") if only_tells else RIGHT["FD_SEEK"]
        if not handle.rights & wanted:
            fail("NOTCAPABLE")
        if whence > 2:
            fail("INVAL")
        base = [0, handle.position, handle.node.size() or 0][whence]
        if not 0 <= base + delta <= SIGNED_MAX:
            fail("INVAL")
        handle.position = base + delta
        return handle.position,

    def file(self, call, right):
        handle = self.handle(call.slot, RIGHT[right])
        if handle.node.kind != "file":
            fail("INVAL")
        return handle.node

    def set_size(self, call):
        node = self.file(call, "FD_FILESTAT_SET_SIZE")
        if call.x > SIGNED_MAX:
            fail("INVAL")
        self.check_end(call.x)
        del node.data[call.x:]
        node.data.extend(bytes(call.x - len(node.data)))
        node.changed()

    def allocate(self, call):
        node = self.file(call, "FD_ALLOCATE")
        if call.y == 0 or call.x + call.y > SIGNED_MAX:
            fail("INVAL")
        end = call.x + call.y
        self.check_end(end)
        node.data.extend(bytes(max(0, end - len(node.data))))
        node.modified_loose = True  # Linux's file systems differ

    def sync(self, call):
        self.handle(call.slot, RIGHT["FD_DATASYNC" if call.other else "FD_SYNC"])

    def advise(self, call):
        self.handle(call.slot, RIGHT["FD_ADVISE"])
        if call.n > 5 or call.x + call.y >= 1 << 64:
            fail("INVAL")

    def poll(self, call):
        handle = self.slots[call.slot]
        events = []
        for kind, right in ((1, "FD_READ"), (2, "FD_WRITE")):
            error, count = 0, 0
            if handle is None:
                error = NUMBER["BADF"]
            elif rights(f"POLL_FD_READWRITE {right}") & ~handle.rights:
                error = NUMBER["NOTCAPABLE"]
            elif kind == 1:
                count = max(0, len(handle.node.data) - handle.position)
            events.append(f"5:{kind}:{error}:{count}")
        return events

    # -- Attributes -------------------------------------------------------------------------------

    def times_given(self, call):
        flags = call.n
        if flags & ~15 or flags & 3 == 3 or flags & 12 == 12:
            fail("INVAL")

    def set_node_times(self, node, call):
        if call.n & (ATIM | ATIM_NOW):
            node.accessed, node.accessed_loose = (call.x if call.n & ATIM else None), False
        if call.n & (MTIM | MTIM_NOW):
            node.modified, node.modified_loose = (call.y if call.n & MTIM else None), False
        if node.kind != "file":
            node.accessed_loose = True  # who walks through it, reads it

    def set_times(self, call):
        handle = self.handle(call.slot, RIGHT["FD_FILESTAT_SET_TIMES"])
        self.times_given(call)
        self.set_node_times(handle.node, call)

    def path_set_times(self, call):
        base = self.base(call.slot, RIGHT["PATH_FILESTAT_SET_TIMES"], call.path)
        if call.dirflags & ~FOLLOW:
            fail("INVAL")
        self.times_given(call)
        self.set_node_times(self.find(base.node, call.path, call.dirflags & FOLLOW), call)

    def stat_fields(self, node):
        def links(seen):  # of a directory: 1, or the names that it and those below have of it
            if node.kind != "dir":
                assert int(seen) == node.links, f"{seen} links, not {node.links}"

        def inode(seen):
            self.saw_inode(node, int(seen))

        def time(value, loose):
            def check(seen):
                is_now = int(seen) > LONG_AGO
                good = is_now if value is None else int(seen) == value or (loose and is_now)
                assert good, f"time {seen}, not {value}"
            return check

        size = node.size()
        return (TYPE[node.kind], links, (lambda seen: None) if size is None else size, inode,
                time(node.accessed, node.accessed_loose), time(node.modified, node.modified_loose),
                time(None, False))

    def saw_inode(self, node, inode):
        if node.inode is None:
            owner = self.inodes.get(inode)
            assert owner is None or not owner.is_alive(), f"inode {inode} is another's, too"
            node.inode = inode
            self.inodes[inode] = node
        assert node.inode == inode, f"inode {inode}, which was {node.inode}"

    def stat(self, call):
        return self.stat_fields(self.handle(call.slot, RIGHT["FD_FILESTAT_GET"]).node)

    def path_stat(self, call):
        base = self.base(call.slot, RIGHT["PATH_FILESTAT_GET"], call.path)
        if call.dirflags & ~FOLLOW:
            fail("INVAL")
        return self.stat_fields(self.find(base.node, call.path, call.dirflags & FOLLOW))

    def readlink(self, call):
        base = self.base(call.slot, RIGHT["PATH_READLINK"], call.path)
        node = self.find(base.node, call.path, False)
        if node.kind != "link":
            fail("INVAL")
        cut = node.target[:call.n]
        return (cut.hex(),) if cut else ()

    # -- Listing ----------------------------------------------------------------------------------

    def directory(self, call):
        handle = self.handle(call.slot)
        if handle.node.kind != "dir":
            fail("NOTDIR")
        if not handle.rights & RIGHT["FD_READDIR"]:
            fail("NOTCAPABLE")
        return handle

    def check_entry(self, handle, text, listing):
        name, kind, inode = text.split(":")
        name, kind, inode = bytes.fromhex(name), int(kind), int(inode)
        node = listing.name_shown(name, kind, inode)
        if node is None:
            assert kind == TYPE["dir"]
        else:
            self.saw_inode(node, inode)

    def list(self, call):
        handle, listing = self.directory(call), Listing(self.directory(call).node)
        handle.listing = None  # the slot's cookie has moved
        model = self

        class ExpectAll(Expect):
            def check(self, line):
                *entries, equals, error = line.split()
                assert (equals, error) == ("=", "0"), f"expected a listing, got {line!r}"
                for entry in entries:
                    model.check_entry(handle, entry, listing)
                if call.n >= 24 + NAME_MAX:
                    assert not listing.must, f"not listed: {sorted(listing.must)}"

        return ExpectAll("a listing")

    def list_part(self, call):
        handle = self.directory(call)
        if call.other or handle.listing is None:
            # Without `other` it goes on from a cookie of which only some of this is known.
            fresh = bool(call.other)
            handle.listing = Listing(handle.node) if fresh else None
        listing, model = handle.listing, self

        class ExpectPart(Expect):
            def check(self, line):
                *entries, equals, error, more = line.split()
                assert (equals, error) == ("=", "0"), f"expected a listing, got {line!r}"
                if listing is None:
                    return
                for entry in entries:
                    model.check_entry(handle, entry, listing)
                if more == "0" and call.n >= 24 + NAME_MAX:
                    assert not listing.must, f"not listed: {sorted(listing.must)}"

        return ExpectPart("a part of a listing")

    # -- Changing names ---------------------------------------------------------------------------

    def create(self, call, right, node):
        base = self.base(call.slot, RIGHT[right], call.path)
        if node.kind == "link" and len(call.other_path) > PATH_MAX + 1:
            fail("NAMETOOLONG")
        check_path(call.path)
        if node.kind == "link":
            check_path(call.other_path)
        place = self.walk(base.node, call.path, "name")
        if place.node is not None:
            fail("EXIST")
        if place.slash and node.kind != "dir":
            fail("NOENT")
        self.add(place.directory, place.name, node)

    def make_directory(self, call):
        self.create(call, "PATH_CREATE_DIRECTORY", Node("dir"))

    def symlink(self, call):
        self.create(call, "PATH_SYMLINK", Node("link", target=call.other_path))

    def remove_directory(self, call):
        base = self.base(call.slot, RIGHT["PATH_REMOVE_DIRECTORY"], call.path)
        place = self.walk(base.node, call.path, "name")
        if place.name is None:
            fail("NOTEMPTY" if place.up else "INVAL")
        if place.node is None:
            fail("NOENT")
        if place.node.kind != "dir":
            fail("NOTDIR")
        if place.node.names:
            fail("NOTEMPTY")
        self.drop(place.directory, place.name)

    def unlink(self, call):
        base = self.base(call.slot, RIGHT["PATH_UNLINK_FILE"], call.path)
        place = self.walk(base.node, call.path, "name")
        if place.name is None:
            fail("ISDIR")
        if place.node is None:
            fail("NOENT")
        if place.node.kind == "dir":
            fail("ISDIR")
        if place.slash:
            fail("NOTDIR")
        self.drop(place.directory, place.name)

    def two(self, call, from_right, to_right):
        base = self.base(call.slot, RIGHT[from_right], call.path)
        other = self.base(call.other, RIGHT[to_right], call.other_path)
        if call.op == "h" and call.dirflags & ~FOLLOW:
            fail("INVAL")
        check_path(call.path)
        check_path(call.other_path)
        return base.node, other.node

    @staticmethod
    def is_above(node, directory):
        while directory is not node and directory.parent is not directory:
            directory = directory.parent
        return directory is node

    def rename(self, call):
        base, other = self.two(call, "PATH_RENAME_SOURCE", "PATH_RENAME_TARGET")
        source = self.walk(base, call.path, "name")
        target = self.walk(other, call.other_path, "name", ["BUSY"] if source.name is None else [])
        if source.name is None or target.name is None:
            fail("BUSY")
        node, replaced = source.node, target.node
        gone = ["NOENT"] if target.directory.links == 0 else []
        if node is None:
            fail("NOENT")
        if node.kind != "dir" and (source.slash or target.slash):
            fail("NOTDIR", *gone)
        if node.kind == "dir" and node is not replaced and self.is_above(node, target.directory):
            fail("INVAL", *(["NOTDIR"] if replaced is not None and replaced.kind != "dir" else []))
        if replaced is not None and replaced is not node:
            if node.kind == "dir" and replaced.kind != "dir":
                fail("NOTDIR")
            if node.kind != "dir" and replaced.kind == "dir":
                fail("ISDIR", *(["NOTEMPTY"] if replaced.names else []))
            if replaced.kind == "dir" and replaced.names:
                fail("NOTEMPTY")
        if node is replaced:
            return  # two names of one file stay
        if gone:
            fail(*gone)
        if replaced is not None:
            self.drop(target.directory, target.name)
        self.drop(source.directory, source.name)
        self.add(target.directory, target.name, node)
        if node.kind == "dir":
            node.modified_loose = True  # its ".." has changed

    def link(self, call):
        base, other = self.two(call, "PATH_LINK_SOURCE", "PATH_LINK_TARGET")
        target = self.walk(other, call.other_path, "name")
        names = ["EXIST"] if target.node is not None else []
        if target.node is None and (target.slash or target.directory.links == 0):
            names.append("NOENT")
        source = self.walk(base, call.path, "follow" if call.dirflags & FOLLOW else "name", names)
        if source.node is None:
            names.append("NOENT")
        elif source.node.kind == "dir":
            names.append("PERM")
        elif source.slash:
            names.append("NOTDIR")
        if names:
            fail(*names)  # any of them: nothing says what is looked at first
        self.add(target.directory, target.name, source.node)


CALLS = {
    "o": Model.open, "c": Model.close, "x": Model.renumber, "F": Model.fdstat,
    "f": Model.set_flags, "g": Model.set_rights, "r": Model.read, "R": Model.pread,
    "w": Model.write, "W": Model.pwrite, "k": Model.seek, "K": Model.tell, "z": Model.set_size,
    "a": Model.allocate, "y": Model.sync, "v": Model.advise, "p": Model.poll,
    "t": Model.set_times, "T": Model.path_set_times, "s": Model.stat, "S": Model.path_stat,
    "L": Model.readlink, "i": Model.list, "I": Model.list_part, "m": Model.make_directory,
    "d": Model.remove_directory, "u": Model.unlink, "n": Model.rename, "h": Model.link,
    "l": Model.symlink,
}
