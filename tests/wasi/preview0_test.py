"""WASI preview 0, `wasi_unstable`, whose layouts and numbers differ here and there."""

import struct

from conftest import BUILD, run

ERRORS = 15
EINVAL, EBADF, EFAULT = 28, 8, 21
CLOCK, FD_READ = 0, 1
FILE = 4


def filestat(results, at):
    names = "device inode type links size accessed modified changed".split()
    return dict(zip(names, struct.unpack_from("<QQB3xIQQQQ", results, at)))


def event(results, at):
    return struct.unpack_from("<QHB5xQH", results, at)


def test_layouts_and_numbers_are_the_old_ones(place):
    (place.root / "file").write_text("0123456789")
    done = place.run("preview0")
    assert (done.returncode, done.stderr, len(done.stdout)) == (3, b"", 1024)
    results = done.stdout
    errors = list(struct.unpack_from(f"<{ERRORS}I", results))
    assert errors == [0, 0, 0, 0, EINVAL, 0, 0, 0, EBADF, EFAULT, 0, 0, EINVAL, EFAULT, 0]

    def u64(at):
        return struct.unpack_from("<Q", results, at - 2048)[0]

    assert [u64(2120), u64(2128), u64(2136), u64(2152)] == [3, 4, 8, 8]
    assert u64(2144) == 2**64 - 1  # the seek that was refused stored nothing
    by_fd, by_path = filestat(results, 2176 - 2048), filestat(results, 2240 - 2048)
    assert by_fd == by_path
    assert (by_fd["type"], by_fd["links"], by_fd["size"]) == (FILE, 1, 10)
    assert by_fd["inode"] != 0
    if place.name != "tmpfs":
        seconds = (place.root / "file").stat().st_mtime_ns // 10**9
        assert by_fd["modified"] // 10**9 == seconds
    # 56 bytes and no more.
    assert results[2176 - 2048 + 56:2240 - 2048] == b"\xff" * 8
    assert results[2304 - 2048:2400 - 2048] == b"\xff" * 96

    assert struct.unpack_from("<III", results, 2400 - 2048) == (1, 2, 2**32 - 1)
    assert event(results, 2432 - 2048)[:3] == (1001, 0, CLOCK)
    assert event(results, 2560 - 2048)[:3] == (1002, 0, CLOCK)
    assert event(results, 2592 - 2048) == (1003, 0, FD_READ, 2, 0)


def test_what_came_later_is_not_there():
    done = run("--machine", "hosted", BUILD / "programs/too_new.wasm")
    assert done.returncode != 0
    assert b"unknown import: wasi_unstable.sock_accept" in done.stderr
