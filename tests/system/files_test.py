"""Host directories, on both machines: every call about files, nothing outside the directories
reached, the same as node where node does as WASI says, and a wait for files that a kill ends.

Run from the root: pytest tests/system/files_test.py; it builds what it needs. After a deliberate
change of the program, KWAST_BLESS=1 records what it prints anew.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, boot_archive  # noqa: E402

EXPECTED = ROOT / "tests/programs/expected/files"
MACHINES = ["qemu", "hosted"]
PARTS = "contents-scattered-sizes appending directories unlinking renaming linking symlinks listing attributes"

LINKS = {
    "link": "file", "dirlink": "dir", "dangling": "created", "out": "../secret",
    "abs": "/etc/passwd", "outdir": "../outside", "up": "..", "loop": "loop",
    "deep/up": "../../secret", "inside": "dir/../file",
}

# What node makes of a line, where WASI or the sandbox would have it otherwise.
NODE = {
    # It follows links out of the sandbox.
    "stat outdir/": "0 type 3, followed: 0 type 3", "readlink outdir/": "28 ", "mkdir up/d": "0",
    "mkdir outdir/d": "0", "rmdir outdir/sub": "0", "unlink up/secret": "0",
    "unlink outdir/f": "0", "rename r3 to 3 outdir/x": "0", "rename r3 to 3 up/x": "44",
    "rename outdir/f to 3 x": "0", "link 0 outdir/f to 3 l3": "0",
    "link 0 file to 3 outdir/l3": "0", "symlink file at outdir/s8": "0",
    # It does not make links that lead out, of which we only refuse absolute ones.
    "symlink ../secret at s2": "76", "symlink /etc/passwd at s3": "63", "symlink .. at s9": "76",
    "open s2 1 0 r": "44", "open s9 1 2 r": "44", "open s9/secret 1 0 r": "44",
    # An empty path is EINVAL and not ENOENT; other choices among error numbers.
    "stat ": "28 type 0, followed: 28 type 0", "readlink ": "28 ", "mkdir ": "28", "unlink ": "28",
    "symlink  at s4": "28", "rmdir .": "55", "rename . to 3 x": "28", "allocate nothing": "0",
    "list a file": "76", "list a removed directory": "0",
    # A pipe is a socket, a buffer for a link must hold all of it, flags are forgotten.
    "stat fifo": "0 type 6, followed: 0 type 6", "readlink, cut": "42 0",
    "type 4 appends 1": "type 4 appends 0",
}


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "tools", "programs",
                    "test-programs"], cwd=ROOT, check=True)


def prepare(base):
    """Two directories, and beside them what no program may reach."""
    for folder in ("root/dir", "root/empty", "root/deep", "other", "outside/sub"):
        (base / folder).mkdir(parents=True)
    for name, text in {"secret": "secret", "outside/f": "outside", "root/file": "0123456789",
                       "root/dir/inner": "inner", "root/unreadable": "x"}.items():
        (base / name).write_text(text)
    for name, target in LINKS.items():
        os.symlink(target, base / "root" / name)
    os.mkfifo(base / "root/fifo")
    return base


def outside(base):
    """All that there is outside of the two directories, with times and contents."""
    found = {}
    for path in [base / "secret", base / "outside", *(base / "outside").rglob("*")]:
        info = path.lstat()
        found[str(path)] = (info.st_mode, info.st_nlink, info.st_size, info.st_mtime_ns,
                            path.read_bytes() if path.is_file() else None)
    return found, sorted(os.listdir(base))


def kwast(*args, machine="hosted"):
    return subprocess.run([BUILD / "kwast", "run", "--machine", machine, *map(str, args)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS)


def run_files(base, *parts, machine="hosted"):
    return kwast("--dir", f"{base}/root::/data", "--dir", f"{base}/other::/other",
                 BUILD / "programs/files.wasm", *parts, machine=machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_about_files(tmp_path, machine):
    base = prepare(tmp_path / "x")
    before = outside(base)
    done = run_files(base, machine=machine)
    if os.environ.get("KWAST_BLESS"):
        EXPECTED.write_bytes(done.stdout)
    assert done.stdout == EXPECTED.read_bytes()
    assert (done.returncode, done.stderr) == (0, b"")
    assert outside(base) == before
    assert (base / "root/back").read_text() == "r1"
    assert (base / "root/log").read_text() == "ONE two three"
    assert (base / "root/contents").stat().st_size == 70004
    assert (base / "root/timed").stat().st_mtime_ns == 3000000003
    assert os.readlink(base / "root/s2") == "../secret"
    assert not os.path.lexists(base / "root/s3")


@pytest.mark.parametrize("machine", MACHINES)
def test_tmpfs_says_the_same(tmp_path, machine):
    """The same program on the same files, served by a process: but there is no pipe, nor a link to
    an absolute path, since no program can make one."""
    for name in ("tmpfs", "files"):
        shutil.copy(BUILD / f"programs/{name}.wasm", tmp_path)
    done = kwast("--dir", f"{tmp_path}::/bin", BUILD / "programs/mounted.wasm", "files", machine=machine)

    def without(output):
        return [line for line in output.decode(errors="replace").splitlines()
                if "fifo" not in line and " abs" not in line]

    assert without(done.stdout) == without(EXPECTED.read_bytes()), done.stderr
    assert (done.returncode, done.stderr) == (0, b"")


def lines_by_call(output):
    return {call: rest for call, _, rest in
            (line.partition(": ") for line in output.decode(errors="replace").splitlines())}


def test_node_says_the_same(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    for part in PARTS.split():
        ours = run_files(prepare(tmp_path / part / "kwast"), *part.split("-"))
        base = prepare(tmp_path / part / "node")
        options = {"args": ["files", *part.split("-")], "env": {},
                   "dirs": {"/data": f"{base}/root", "/other": f"{base}/other"}}
        node = subprocess.run(["node", "--no-warnings", ROOT / "tests/programs/node_wasi.mjs",
                               json.dumps(options), BUILD / "programs/files.wasm"],
                              capture_output=True, timeout=LIMIT_SECONDS)
        theirs = lines_by_call(node.stdout)
        for call, rest in lines_by_call(ours.stdout).items():
            if call not in NODE:
                assert theirs.get(call) == rest, (part, call)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_directory_swapped_for_a_link_leads_nowhere_new(tmp_path, machine):
    """While the program opens dir/inner again and again, dir is now a directory and now a link to
    one outside, which has an inner, too."""
    base = prepare(tmp_path / "x")
    (base / "outside/inner").write_text("SECRET")
    os.rename(base / "root/dir", base / "root/really")
    os.symlink("../outside", base / "root/trap")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for name in ("really", "trap"):
                os.rename(base / "root" / name, base / "root/dir")
                os.rename(base / "root/dir", base / "root" / name)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        done = kwast("--dir", f"{base}/root::/data", BUILD / "programs/swapped.wasm", machine=machine)
    finally:
        stop.set()
        swapper.join()
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"never outside\n"


@pytest.mark.parametrize("host, words", [
    ("nothing", "No such file or directory"), ("file", "Not a directory"),
])
def test_what_is_no_directory_is_refused(tmp_path, host, words):
    (tmp_path / "file").write_text("x")
    done = kwast("--dir", f"{tmp_path}/{host}::/x", BUILD / "programs/files.wasm")
    assert done.returncode == 1
    assert done.stderr.decode() == f"kwast: {tmp_path}/{host}: {words}\n"


# -- The other end of the link, by hand ----------------------------------------------------------


class Peer:
    """Starts the kernel as `kwast run` does, and is its other end."""

    HEADER = struct.Struct("<HHI")
    REQUEST = struct.Struct("<IHHIIQQIHH")
    REPLY = struct.Struct("<IIQQ")
    EXIT, FILE_REQUEST, STDERR = 7, 8, 3
    INTERRUPT, FILE_REPLY = 34, 35
    OPEN, CLOSE, READ = 1, 2, 3

    def __init__(self, tmp_path, program, *args):
        records = [f"program=bin/{program}.wasm", f"arg={program}", *(f"arg={a}" for a in args),
                   "root=/data=0"]
        archive = boot_archive(tmp_path / "boot.tar", {
            "boot/run": "".join(r + "\0" for r in records).encode(),
            f"bin/{program}.wasm": BUILD / f"programs/{program}.wasm"})
        self.link, theirs = socket.socketpair()
        self.link.settimeout(LIMIT_SECONDS)
        with archive.open("rb") as file:
            self.process = subprocess.Popen(
                [BUILD / "kwast-hosted", "--memory", "256", "--link", str(theirs.fileno()),
                 "--archive", str(file.fileno()), "--append", "log=none"],
                pass_fds=[theirs.fileno(), file.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self.stderr = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.link.close()

    def take(self, size):
        data = b""
        while len(data) < size:
            piece = self.link.recv(size - len(data))
            assert piece, "the machine hung up"
            data += piece
        return data

    def frame(self, wanted):
        """The payload of the next frame of that type."""
        while True:
            _, kind, size = self.HEADER.unpack(self.take(self.HEADER.size))
            payload = self.take(size)
            if kind == wanted:
                return payload
            assert kind != self.EXIT, "it ended"
            self.stderr += payload if kind == self.STDERR else b""

    def request(self):
        payload = self.frame(self.FILE_REQUEST)
        tag, op, _, handle, other, word, _, room, path_len, _ = self.REQUEST.unpack(
            payload[:self.REQUEST.size])
        rest = payload[self.REQUEST.size:]
        return {"tag": tag, "op": op, "handle": handle, "other": other, "word": word,
                "room": room, "path": rest[:path_len]}

    def send(self, kind, payload):
        self.link.sendall(self.HEADER.pack(0x4b4c, kind, len(payload)) + payload)

    def reply(self, request, status=0, words=(0, 0), data=b""):
        self.send(self.FILE_REPLY, self.REPLY.pack(request["tag"], status, *words) + data)

    def exit(self):
        return struct.unpack("<II", self.frame(self.EXIT))


def test_a_program_that_waits_for_a_file_can_be_interrupted(tmp_path):
    with Peer(tmp_path, "swapped") as peer:
        request = peer.request()
        assert (request["op"], request["handle"], request["path"]) == (Peer.OPEN, 0, b"dir/inner")
        peer.send(Peer.INTERRUPT, b"")  # and no answer
        assert peer.exit() == (3, 0)


def test_a_file_whose_opening_was_given_up_is_closed(tmp_path):
    with Peer(tmp_path, "swapped") as peer:
        request = peer.request()
        peer.send(Peer.INTERRUPT, b"")
        close = peer.request()
        assert (close["op"], close["handle"]) == (Peer.CLOSE, request["other"])


@pytest.mark.parametrize("break_it", [
    lambda peer, request: peer.reply(request, words=(99, 0)),           # no such type
    lambda peer, request: peer.reply(request, status=12345),            # no such status
    lambda peer, request: peer.reply(request, words=(1, 0), data=b"x"), # more than there is room for
    lambda peer, request: peer.send(Peer.FILE_REPLY, b"short"),
    lambda peer, request: peer.reply(request | {"tag": 77}) or peer.reply(request, status=42),
], ids=["type", "status", "too long", "short", "nobody's"])
def test_answers_that_are_wrong_are_errors(tmp_path, break_it):
    with Peer(tmp_path, "swapped") as peer:
        break_it(peer, peer.request())
        outcome, status = peer.exit()
        assert outcome == 0 and status != 0
