"""Job control, as a person has it at the terminal: Ctrl-Z, jobs, fg, bg, kill -STOP, wait; who gets what
is typed; and the end of a shell with stopped jobs. On both machines.

Run from the root: pytest tests/system/jobs_test.py; it builds what it needs.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import Machine, system_files  # noqa: E402
from whole_system import build_system  # noqa: E402

PROMPT = r"/ \$ \x1b\[K\r?\x1b\[4C"
STOP, KILL, END, REDRAW = "\x1a", "\x03", "\x04", "\x0c"


@pytest.fixture(scope="session", autouse=True)
def build():
    build_system()


@pytest.fixture(scope="module", params=[(Machine.pvh, 1), (Machine.hosted, 1), (Machine.hosted, 4)],
                ids=["qemu", "hosted", "hosted-4"])
def system(request):
    start, cpus = request.param
    with start(system_files(), cpus=cpus) as machine:
        machine.expect(PROMPT)
        yield machine


def command(machine, line, *shows):
    """Types a line, and waits for what is to be seen then and for the next prompt."""
    machine.type(line + "\n")
    for pattern in shows:
        machine.expect(pattern)
    machine.expect(PROMPT)


def stop(machine, text):
    machine.type(STOP)
    machine.expect(rf"^\[\d+\]\+ Stopped  {text}$")
    machine.expect(PROMPT)


def test_a_job_stops_and_comes_back(system):
    system.type("cat\n")
    system.type("first\n")
    system.expect("^first\nfirst$")
    stop(system, "cat")
    command(system, "echo here is the sh''ell $?", r"^here is the shell 148$")
    command(system, "jobs", r"^\[1\]\+ Stopped  cat$")
    system.type("fg\n")
    system.expect("^cat$")
    system.type("second\n")
    system.expect("^second\nsecond$")
    stop(system, "cat")
    system.type("fg %1\nthird\n")
    system.expect("^third$")
    system.type(END)
    system.expect(PROMPT)
    command(system, "jobs; echo no''ne", "^none$")


def test_what_is_typed_is_not_for_jobs_in_the_background(system):
    command(system, "cat >/tmp/typed &", r"^\[1\] \d+$")
    command(system, "echo for the sh''ell", "^for the shell$")
    command(system, "jobs", r"^\[1\]\+ Running  cat >/tmp/typed$")
    system.type("fg\n")
    system.expect("^cat >/tmp/typed$")  # only then, for it would be echoed before that
    system.type("for the job\n" + END)
    system.expect(PROMPT)
    command(system, "cat /tmp/typed; echo do''ne", "^for the job\ndone$")


def test_a_stopped_job_goes_on_in_the_background(system):
    system.type("sh -c 'read x </tmp/nothing; while ! test -f /tmp/go; do sleep 0.05; done; echo fin''ished'\n")
    system.expect("nothing")
    stop(system, "sh -c .*")
    command(system, "echo yes >/tmp/go; bg", r"^\[1\] sh -c .* &$")
    command(system, "wait; echo wai''ted; rm /tmp/go", "^waited$")
    assert "finished\n" in system.text  # perhaps in the middle of a line that is typed


def test_a_pipeline_stops_as_a_whole(system):
    system.type("yes | cat | cat >/dev/null\n")
    system.expect("yes .*cat.*\n")
    stop(system, r"yes \| cat \| cat >/dev/null")
    command(system, "ps", r"^ +\d+ +\d+ T .* yes\n(.*\n)*? +\d+ +\d+ T .* cat\n(.*\n)*? +\d+ +\d+ T .* cat$")
    command(system, "kill -CONT %1; ps", r"^ +\d+ +\d+ - .* yes\n(.*\n)*? +\d+ +\d+ - .* cat\n")
    command(system, "kill -STOP %%; jobs", r"^\[1\]\+ Stopped  yes .*$")
    command(system, "kill %1; wait %1; jobs; echo go''ne", "^gone$")


def test_kill_stops_by_number(system):
    command(system, "sleep 1000 &", r"^\[1\] \d+$")
    command(system, "kill -STOP $!; jobs", r"^\[1\]\+ Stopped  sleep 1000$")
    command(system, "wait; wait %1; echo st''atus $?", "it is stopped$", r"^status 148$")
    command(system, "kill -s CONT $!; jobs", r"^\[1\]\+ Running  sleep 1000$")
    command(system, "kill -NONE $!; echo st''atus $?", "there is no such signal .*$", "^status 2$")
    system.type("fg\n")
    system.expect("^sleep 1000$")
    system.type(KILL)
    system.expect(PROMPT)
    command(system, "jobs; echo no''ne", "^none$")


def test_ctrl_c_ends_the_wait_and_not_the_job(system):
    command(system, "sleep 1000 &", r"^\[1\] \d+$")
    system.type("wait\n")
    system.expect("wait.*\n")
    system.type(KILL)
    system.expect(PROMPT)
    command(system, "jobs", r"^\[1\]\+ Running  sleep 1000$")
    command(system, "kill %1; wait %1; jobs; echo go''ne", "^gone$")


def test_a_loop_is_left_when_it_is_stopped(system):
    system.type("while :; do echo tu''rn; sleep 1000; done; echo beh''ind\n")
    system.expect("^turn$")
    stop(system, "sleep 1000")
    command(system, "kill %1; wait %1; echo go''ne", "^gone$")
    assert "\nbehind\n" not in system.text


def test_the_editor_comes_back(system):
    system.type("vi /tmp/edited\n")
    system.expect(r"- /tmp/edited 1/1 100%")
    system.type("ifirst")
    system.expect(r"\x1b\[1;6H")  # behind the word
    stop(system, "vi /tmp/edited")
    command(system, "echo a line of the sh''ell", "^a line of the shell$")  # in the shell's mode
    system.type("fg\n")
    system.expect("^vi /tmp/edited$")
    system.type(" line\x1b" + REDRAW)
    system.expect(r"first line(?s:.*)\[Modified\] 1/1")
    system.type(":wq\n")
    system.expect(PROMPT)
    command(system, "cat /tmp/edited; echo do''ne", "^first line\ndone$")


def test_a_shell_says_that_jobs_are_stopped_before_it_ends(system):
    system.type("sh\n")
    system.expect(PROMPT)
    system.type("sleep 1000\n")
    system.expect("sleep 1000\x1b.*\n")
    stop(system, "sleep 1000")
    command(system, "exit", "there are stopped jobs$")
    command(system, "echo st''ill here", "^still here$")
    system.type(END)
    system.expect("there are stopped jobs$")
    system.expect(PROMPT)
    command(system, "exit 7")
    command(system, "echo st''atus $?", "^status 7$")
    # Its jobs were killed with it, and may end a moment later.
    command(system, "while ps | grep 'sleep$' >/dev/null; do :; done; echo no''ne", "^none$")


def test_a_script_takes_ctrl_c(system):
    command(system, "cat >/tmp/loop <<'X'\ntrap 'echo cau''ght; n=$((n + 1))' INT\ntrap 'echo by''e $?' EXIT\n"
            "n=0\nwhile [ $n -lt 2 ]; do sh -c \"echo tu''rn $n; sleep 1000\"; done\necho af''ter\nX")
    system.type("sh /tmp/loop; echo st''atus $?\n")
    system.expect("^turn 0$")
    system.type(KILL)
    system.expect("^caught\nturn 1$")
    system.type(KILL)
    system.expect("^caught\nafter\nbye 0\nstatus 0$")
    system.expect(PROMPT)
    system.type("cat /tmp/loop | (trap '' INT; echo rea''dy; sleep 1000; echo not kil''led)\n")
    system.expect("^ready$")
    system.type(KILL)
    stop(system, "cat .*")  # what it has started ignores it as well, and can be stopped
    command(system, "kill -KILL %1; wait %1; jobs; echo go''ne", "^gone$")
    assert "\nnot killed\n" not in system.text


def test_ctrl_c_ends_what_the_shell_itself_does(system):
    system.type("read x\n")
    system.expect("read x.*\n")
    system.type(KILL)
    system.expect(PROMPT)
    command(system, "echo st''atus $?", "^status 130$")
    system.type("while :; do :; done; echo beh''ind\n")
    system.expect("echo beh.*\n")
    system.type(KILL)
    system.expect(PROMPT)
    assert "\nbehind\n" not in system.text


def test_the_shells_own_trap(system):
    command(system, "trap 'echo tra''pped' INT")
    system.type("sleep 1000; echo ne''xt\n")
    system.expect("echo ne.*\n")
    system.type(KILL)
    system.expect("^trapped\nnext$")
    system.expect(PROMPT)
    system.type("half a line" + KILL)
    system.expect("^trapped$")
    system.expect(PROMPT)
    command(system, "trap - INT; trap; echo no''ne", "^none$")


def test_an_interrupt_that_was_taken_is_over(system):
    system.type("sh -c 'trap \"echo o''n\" INT; echo rea''dy; read x'; env echo ne''xt\n")
    system.expect("^ready$")
    system.type(KILL)
    system.expect("^on$")
    system.type("\n")  # for the script, if it was not reading yet
    system.expect("^next$")
    system.expect(PROMPT)


def test_a_slip_does_not_end_the_shell(system):
    command(system, "exec no-such-program", "no-such-program: not found$")
    command(system, "kill $$; echo st''ill here", "^still here$")
    command(system, "sh -c 'kill $$'", "^Terminated$")
    command(system, "sh -c 'kill -9 $$'; echo st''atus $?", "^Killed\nstatus 137$")
