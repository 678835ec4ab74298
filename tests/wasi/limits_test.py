"""Files, misused: on the host's directories and on tmpfs it comes to the same."""

from conftest import TMPFS_BYTES, Place


def lines(place, *args):
    done = place.run("misuse", *map(str, args), empty=True)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


def test_a_full_tmpfs_says_so_and_loses_nothing(tmp_path):
    seen = lines(Place("tmpfs", tmp_path), "full", TMPFS_BYTES)
    nospc = 51
    once = ["full after enough: 1, error 51", "all of it is there: 1", f"allocate: {nospc}",
            "and it is as long as before: 1", "no name more: error 51", f"symlink: {nospc}",
            f"mkdir: {nospc}", "rename: 0", "a name again: 1"]
    assert seen == [*once * 3, "kept: 4 kept"]


def test_a_directory_of_100_000_names(writable):
    # Each is a message to the launcher where it is the host's.
    assert lines(writable, "many", {"tmpfs": 100_000, "directory": 20_000}[writable.name]) == [
        "listed once: 1", "the last one is there: 0", "removed while listing: 1", "nothing left: 0",
        "rmdir: 0"]


def test_names_of_255_bytes_are_the_longest(writable):
    fine = "open 0, stat 0, rename 0, and back 0, unlink 0, mkdir 0, rmdir 0, symlink 0, unlink 0"
    long = "open 37, stat 37, rename 37, and back 37, unlink 37, mkdir 37, rmdir 37, symlink 37, unlink 37"
    assert lines(writable, "names") == [f"254: {fine}", f"255: {fine}", f"256: {long}", f"299: {long}",
                                        "a path of 4095: 0", "a path of 4097: 37"]


def test_trees_are_as_deep_as_one_likes(writable):
    assert lines(writable, "deep", 2100) == [
        "at the bottom: 1", "up from there: 76", "unlink: 0", "a long way: 0",
        "out and in: 76", "gone: 44"]


def test_no_path_leads_out(writable):
    (writable.root.parent / "secret").write_text("secret")
    absolute, *ways, within, stolen = lines(writable, "escape")
    assert absolute == "absolute: 76"
    assert len(ways) == 15 and all(way.endswith("14 of 14 refused") for way in ways), ways
    assert (within, stolen) == ("within: 0", "stolen: 44")
    assert (writable.root.parent / "secret").read_text() == "secret"
