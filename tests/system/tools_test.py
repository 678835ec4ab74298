"""Kwast's own utilities (user/programs/tools), and killing by number, in the whole system.

Run from the root: pytest tests/system/tools_test.py; it builds what it needs.
"""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import ROOT, Machine, system_files, until  # noqa: E402
from whole_system import build_system  # noqa: E402

NAMES = (ROOT / "user/programs/tools/applets").read_text().split()


@pytest.fixture(scope="session", autouse=True)
def build():
    build_system()


def start(kind, **options):
    return kind(system_files(), **options)


@pytest.fixture(scope="module", params=[Machine.pvh, Machine.hosted], ids=["qemu", "hosted"])
def system(request):
    with start(request.param) as machine:
        machine.expect(r"/ \$ ")
        yield machine


def output(machine, command):
    """What a command prints, between two lines that it does not."""
    machine.type(f"echo be''gin; {{ {command}; }} 2>&1 | cat; echo e''nd\n")
    start = machine.expect(r"^begin\n").end()
    end = machine.expect("^end$").start()
    return machine.text[start:end]


def expect_gone(machine, name):
    """What was killed along with who started it may end a moment later."""
    until(lambda: output(machine, "ps"), lambda listed: not re.search(rf" {name}$", listed, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_says_how_it_is_used(system, name):
    assert output(system, f"{name} --help").startswith(f"usage: {name}")
    assert output(system, f"{name} -? >/dev/null; echo $?").endswith("2\n")


def test_the_terminal_is_set(system):
    assert output(system, "stty; stty -g; stty size") == "sane\nmode:f\n25 80\n"
    assert output(system, "stty -echo -isig; stty; stty -a | tail -n 1; stty $(stty -g); stty; stty sane; stty") == \
        "-isig -echo\n-isig icanon -echo icrnl\n-isig -echo\nsane\n"
    assert output(system, "stty raw; stty; stty -raw; stty cbreak; stty; stty cooked; stty") == \
        "-isig -icanon -echo -icrnl\n-icanon\nsane\n"
    assert output(system, "stty rows 40 columns 100; stty size; stty rows 25 columns 80 size") == \
        "40 100\n25 80\n"
    assert output(system, "stty nonsense; echo $?; stty rows; stty mode:1f; stty -rows 3; stty") == \
        "stty: nonsense: there is no such setting\n1\nstty: rows: there is no such setting\n" \
        "stty: mode:1f: there is no such setting\nstty: -rows: there is no such setting\nsane\n"
    assert output(system, "stty </dev/null; echo $?") == "stty: its input is no terminal\n1\n"


def test_what_is_typed_can_be_hidden(system):
    system.type("stty -echo; echo as''king; read word; stty echo; echo \"got <$word>\"\n")
    system.expect("^asking$")
    system.type("secret\n")
    assert system.expect(r"^(secret\n)?got <secret>$").group(1) is None


def test_who_and_how_many(system):
    assert output(system, "id; id -un; whoami") == "uid=0(root) gid=0(root) groups=0(root)\nroot\nroot\n"
    count, lines = output(system, "nproc; grep -c '' /kernel/cpus").split()
    assert int(count) == int(lines) - 1 >= 1


def test_killing_by_name(system):
    assert output(system, "yes >/dev/null & p=$!; yes >/dev/null & killall yes; "
                          "wait $p; echo $?; wait $!; echo $?") == "143\n143\n"
    assert output(system, "sleep 1000 & pkill -9 slee; wait $!; echo $?") == "137\n"
    assert output(system, "killall nobody; echo $?; killall -NONE yes; echo $?; pkill; echo $?") == \
        "sh:1: killall: nobody: there is no such process\n1\n" \
        "sh:1: killall: NONE: there is no such signal ('kill -l' lists them)\n2\n" \
        "sh:1: usage: pkill [-SIGNAL | -s SIGNAL] NAME...\n2\n"


def test_ps_and_kill(system):
    system.type("sleep 1000 &\n")
    number = system.expect(r"^\[\d+\] (\d+)$").group(1)
    lines = output(system, "ps")
    assert lines.startswith("    ID PARENT S  THR       TIME       KIB  NAME\n     1      0 - ")
    assert re.search(rf"^ +{number} .*  sleep$", lines, re.MULTILINE)
    assert re.search(rf"^ +{number} .*  sleep$", output(system, "ps -l"), re.MULTILINE)
    assert output(system, f"kill -0 {number}; echo $?") == "0\n"
    system.type(f"kill {number}; wait {number}; echo sta''tus $?\n")
    assert system.expect(r"status (\d+)$").group(1) == "143"
    assert "No such process" in output(system, f"kill {number}")
    assert not re.search(rf"^ +{number} ", output(system, "ps"), re.MULTILINE)


def test_ctrl_c_ends_what_a_program_has_started(system):
    system.type("echo 1000 | xargs sh -c 'echo star''ted; sleep $0'\n")
    system.expect("started$")
    system.type("\x03")
    system.expect(r"/ \$ ")
    expect_gone(system, "sleep")
    system.type("for i in 1 2 3; do echo ro''und $i; sleep 1000; done; echo no''t\n")
    system.expect("round 1$")
    system.type("\x03")
    system.expect(r"/ \$ ")
    system.type("echo sta''tus $?\n")
    assert system.expect(r"status (\d+)$").group(1) == "130"
    assert not re.search("round 2|^not", system.text, re.MULTILINE)
    system.type("echo go''ing; while true; do true; done; echo no''t\n")
    system.expect("going$")
    system.type("\x03")
    system.expect(r"/ \$ ")
    assert not re.search("^not", system.text, re.MULTILINE)


def test_who_writes_to_nobody_ends_without_a_word(system):
    assert output(system, "yes | head -n 1") == "y\n"
    assert output(system, "top -d 0 | head -n 1").startswith("up ")
    assert output(system, "seq 1000000 | sed 2q") == "1\n2\n"


def test_top_refuses_what_is_no_number(system):
    for number in ("x", "1x", "0", "''"):
        assert output(system, f"top -b -n {number}; echo $?").endswith("\n2\n")


def test_files_take_what_they_are_long(system):
    system.type("dd if=/dev/zero of=/tmp/long bs=1024 count=100 2>/dev/null\n")
    assert output(system, "du /tmp/long; ls -s /tmp/long; stat -c %b /tmp/long") == (
        "100\t/tmp/long\n   100 /tmp/long\n200\n")


def test_timeout(system):
    assert output(system, "timeout 100 sh -c 'exit 3'; echo $?") == "3\n"
    assert output(system, "timeout 0.1 sh -c 'sleep 1000; echo never'; echo $?") == "124\n"
    expect_gone(system, "sleep")
    assert output(system, "timeout 1 nothing; echo $?").endswith("127\n")
    assert output(system, "timeout x true; echo $?").endswith("2\n")


def test_what_is_told_about_the_machine(system):
    total, used, free, _ = map(int, output(system, "free").splitlines()[1].split())
    assert total == used + free > 100_000
    assert re.fullmatch(r"up \d+:\d\d:\d\d, \d+ processes, \d CPUs?, busy \d+% of the time\n",
                        output(system, "uptime"))
    assert "kwast on " in output(system, "dmesg")
    mounts = output(system, "mount")
    assert re.search(r"^/ +tmpfs, \d+ of \d+ KiB free$", mounts, re.MULTILINE)
    assert re.search(r"^/dev +of a service$", mounts, re.MULTILINE)
    assert re.search(r"^/kernel +of the kernel$", mounts, re.MULTILINE)


def test_df_tells_what_files_take(system):
    def used():
        return int(re.search(r"^tmpfs +\d+ +(\d+) +\d+ +\d+% /$", output(system, "df"),
                             re.MULTILINE).group(1))
    before = used()
    output(system, "dd if=/dev/zero of=/tmp/large bs=1024 count=1000")
    assert before + 1000 <= used() <= before + 1100
    output(system, "rm /tmp/large")
    assert used() <= before + 10


def test_top_prints_and_draws(system):
    pictures = output(system, "top -b -n 2 -d 0")
    assert len(re.findall(r"^up .* MiB free$", pictures, re.MULTILINE)) == 2
    assert re.search(r"^cpu 0 +\[#* *\] +\d+\.\d%", pictures, re.MULTILINE)
    assert re.search(r"^ +\d+ +\d+\.\d +\d+:\d\d\.\d\d +\d+ +1  top$", pictures, re.MULTILINE)
    system.type("top -d 1000; echo af''ter\n")
    system.expect(r"ID +CPU% +TIME")
    system.type("i")
    system.expect(r" 1 +\d+\.\d +\d+:\d\d\.\d\d +\d+ +1  init")
    system.type("q")
    system.expect("after$")


def test_bench(system):
    assert re.fullmatch(r"clock +[\d.]+ [nu]s  .*\n", output(system, "bench clock"))
    assert re.fullmatch(r"spawn +[\d.]+ [um]s  .*\n", output(system, "bench spawn"))


def test_nobody_is_busy_at_the_prompt():
    """While the only program sleeps the CPU has nothing to do."""
    with start(Machine.hosted, cpus=1) as machine:
        machine.expect(r"/ \$ ")
        idle = "tail -n 1 /kernel/cpus"
        before, after = (int(output(machine, command).split()[2])
                         for command in (idle, f"sleep 0.5; {idle}"))
        assert after > before
