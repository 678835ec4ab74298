"""The system as a person at the machine sees it: booted from the ISO, keys pressed on the PS/2
keyboard, and the screen read by its glyphs.

Run from the root: pytest tests/boot/screen_test.py; it builds what it needs. Without the sources of
libvterm there is no screen to test.
"""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine  # noqa: E402
from screen import Screen, last_row  # noqa: E402


FRAMEBUFFER_TAG = struct.Struct("<HHIIII")
FRAMEBUFFER_HEAD = 5, 1, 20  # the tag's type, that it is optional, and its size


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "iso"], cwd=ROOT, check=True)
    if not (BUILD / "ports/libvterm/include/vterm.h").exists():
        pytest.skip("the system was built without libvterm, whose Debian source could not be had")


def start(*args):
    return Machine("-cdrom", BUILD / "kwast.iso", "-vga", "std", *args, memory="512M", qmp=True)


@pytest.fixture(scope="module")
def machine():
    with start() as machine:
        machine.expect(r"^Kwast\. 'help'")
        Screen(machine).wake()
        yield machine


@pytest.fixture
def screen(machine):
    """The first console, at an empty prompt."""
    screen = Screen(machine)
    screen.console(1)
    return screen


def test_what_is_typed_is_shown_and_is_on_the_serial_line_as_well(screen, machine):
    picture = screen.expect(lambda picture: last_row(picture) == "/ $")
    assert picture.rows[0].startswith("Kwast. 'help' tells what the shell knows")
    screen.enter("echo Hello, $((6*7)) {a} | cat")
    screen.expect("Hello, 42 {a}")
    machine.expect("^Hello, 42 {a}$")


def test_the_serial_line_types_at_the_same_terminal(screen, machine):
    machine.type("echo from a''far\n")
    machine.expect("^from afar$")
    screen.expect("from afar")


def test_lines_are_edited(screen):
    screen.type("cho abcd")
    screen.press("backspace")
    screen.press("left")
    screen.press("x")
    screen.press("home")
    screen.press("e")
    screen.expect(lambda picture: last_row(picture) == "/ $ echo abxc")
    screen.press("ret")
    screen.expect("abxc")
    screen.prompt()
    screen.press("up")
    screen.expect(lambda picture: last_row(picture) == "/ $ echo abxc")
    screen.press("ctrl", "u")
    screen.prompt()


def test_the_prompt_leaves_what_ended_no_line(screen):
    screen.enter("printf '%s' unended")
    screen.expect(lambda picture: "unended" in picture.rows and last_row(picture) == "/ $")
    screen.enter("clear")
    screen.expect(lambda picture: picture.rows[0] == "/ $")


def test_control_c_ends_the_program_and_control_d_its_input(screen):
    screen.enter("sleep 100000")
    screen.interrupt()
    screen.enter("cat; echo st''atus")
    screen.press_characters("ab\n")
    screen.expect(lambda picture: picture.rows.count("ab") == 2)
    screen.press("ctrl", "d")
    screen.expect("status")


def test_lines_that_left_the_screen_come_back(screen):
    def first_number(picture):
        return int(picture.rows[0]) if picture.rows[0].isdigit() else 0

    screen.enter("clear; seq 300")
    before = screen.expect(lambda picture: "300" in picture.rows)
    screen.prompt()
    top = first_number(before)
    for pressed in range(1, 4):
        screen.press("shift", "pgup")
        half = len(before.rows) // 2
        screen.expect(lambda picture, top=top - pressed * half: first_number(picture) == top)
    screen.press("shift", "pgdn")
    screen.expect(lambda picture: first_number(picture) == top - 2 * half)
    screen.press("a")  # whoever types wants to see it
    screen.expect(lambda picture: last_row(picture) == "/ $ a")
    screen.press("backspace")
    screen.prompt()


def test_consoles_are_apart(screen):
    screen.enter("echo first")
    screen.expect("first")
    screen.prompt()
    screen.console(2, lambda picture: "first" not in picture.rows and last_row(picture) == "/ $")
    screen.enter("cd tmp; echo second")
    screen.expect("second")
    screen.prompt()
    screen.console(4, lambda picture: "second" not in picture.rows and last_row(picture) == "/ $")
    screen.console(1, lambda picture: "first" in picture.rows and "second" not in picture.rows)
    screen.console(2, lambda picture: "second" in picture.rows and last_row(picture) == "/tmp $")
    screen.enter("tail -f /dev/null")
    screen.console(1)  # nobody else waits for it
    screen.console(2, lambda picture: last_row(picture) == "/tmp $ tail -f /dev/null")
    screen.interrupt()
    screen.console(1, lambda picture: "first" in picture.rows)


def test_colours_are_what_programs_say(screen):
    screen.enter(r"printf '\033[31mrED\n\033[48;2;1;2;3mgrOUND\033[m\n'")
    picture = screen.expect(lambda picture: "rED" in picture.rows and "grOUND" in picture.rows)
    ground, red = picture.colours(*picture.place("rED"))
    assert ground == 0 and red >> 16 > 2 * (red & 0xFF)
    assert picture.colours(*picture.place("grOUND"))[0] == 0x010203


def test_characters_beyond_ascii_are_shown(screen):
    screen.enter(r"printf '\303\244\342\224\200\342\202\254\n'")
    screen.expect("ä─€")


def test_a_full_screen_program_has_the_whole_screen_and_gives_it_back(screen):
    screen.enter("seq 5 > /tmp/numbers; vi /tmp/numbers")
    picture = screen.expect(lambda picture: last_row(picture).startswith("- /tmp/numbers"))
    assert picture.rows[:6] == ["1", "2", "3", "4", "5", "~"]
    assert picture.rows.index(last_row(picture)) == len(picture.rows) - 1
    screen.press("down")
    screen.press_characters("dd")
    screen.expect(lambda picture: picture.rows[:5] == ["1", "3", "4", "5", "~"])
    screen.press_characters(":wq\n")
    screen.prompt()
    screen.enter("cat /tmp/numbers | tr '\\n' ' '; echo")
    screen.expect("1 3 4 5")


def test_layouts_are_loaded(screen):
    screen.enter("loadkeys de")
    screen.prompt()
    screen.enter("echo yz-", shown="echo zyß")
    screen.expect("zyß")
    screen.prompt()
    for keys in (("alt_r", "q"), ("alt_r", "e"), ("grave_accent",), ("a",), ("equal",), ("e",)):
        screen.press(*keys)
    screen.expect(lambda picture: last_row(picture) == "/ $ @€âé")
    screen.press("ctrl", "u")
    screen.prompt()
    screen.enter("loadkezs us", shown="loadkeys us")
    screen.prompt()
    screen.enter("echo yz-")
    screen.expect("yz-")


def test_a_wrong_layout_is_refused_by_line(screen):
    screen.enter("echo E99 > /tmp/x; loadkeys /tmp/x; echo $?")
    screen.expect(lambda picture: any(row.startswith("loadkeys: /tmp/x:1:") for row in picture.rows))
    screen.prompt()
    screen.enter("loadkeys nobody; echo =$?")
    screen.expect("=1")


def test_the_mouse_can_be_read(screen, machine):
    screen.enter("head -c 8 /dev/mouse | hexdump -C | head -1")
    machine.monitor("input-send-event", events=[
        {"type": "rel", "data": {"axis": "x", "value": 5}},
        {"type": "rel", "data": {"axis": "y", "value": 3}}])
    screen.expect(lambda picture: any(row.startswith("00000000  05 00 03 00 00 00 00 00")
                                      for row in picture.rows))


def test_a_driver_that_dies_is_started_again(screen, machine):
    screen.enter("kill $(ps | awk '/ ps2$/ {print $1}')")
    machine.expect("init: ps2 was killed")
    screen.wake()
    screen.enter("echo back")
    screen.expect("back")


@pytest.mark.parametrize("mode", ["640x480x24", "1920x1080x32", "800x600x16"])
def test_screens_of_other_sizes(mode, tmp_path):
    """The boot loader goes by what the kernel's header wishes for."""
    width, height, depth = map(int, mode.split("x"))
    image = (BUILD / "kwast.iso").read_bytes()
    assert image.count(FRAMEBUFFER_TAG.pack(*FRAMEBUFFER_HEAD, 1024, 768, 32)) == 1
    other = tmp_path / "other.iso"
    other.write_bytes(image.replace(FRAMEBUFFER_TAG.pack(*FRAMEBUFFER_HEAD, 1024, 768, 32),
                                    FRAMEBUFFER_TAG.pack(*FRAMEBUFFER_HEAD, width, height, depth)))
    with Machine("-cdrom", other, "-vga", "std", memory="512M", qmp=True) as machine:
        machine.expect(r"^Kwast\. 'help'")
        screen = Screen(machine)
        screen.wake()
        screen.enter("seq 1 200")
        picture = screen.expect(lambda picture: last_row(picture) == "/ $" and "200" in picture.rows)
        assert (picture.width, picture.height) == (width, height)
        # All rows are used, and all columns.
        assert picture.rows[0] == str(200 - (height // 16 - 2)), picture
        screen.enter("printf '%0300d\\n' 0")
        screen.expect(lambda picture: picture.rows.count("0" * (width // 8)) == 300 // (width // 8))


def test_uefi_has_a_screen_too():
    with start("-bios", "/usr/share/ovmf/OVMF.fd") as machine:
        machine.expect(r"^Kwast\. 'help'")
        screen = Screen(machine)
        screen.wake()
        screen.enter("echo Uefi")
        screen.expect("Uefi")
