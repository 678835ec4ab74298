"""Reading the screen of a machine and typing at its keyboard, by QEMU's monitor: pictures are taken
apart into cells, and each is looked up in the font that the console draws with.
"""

import re
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from font2c import read_both  # noqa: E402
from machine import until  # noqa: E402

WIDTH, HEIGHT = 8, 16
FONTS = ("/usr/share/fonts/X11/misc/spleen-8x16.pcf.gz",
         "/usr/share/consolefonts/spleen-8x16.psfu.gz")
PROMPT = r"^/\S* \$$"
UNKNOWN = "\N{REPLACEMENT CHARACTER}"

# Keys of a keyboard with the United States' letters on it, by QEMU's names.
KEYS = {" ": "spc", "\n": "ret", "-": "minus", "=": "equal", "[": "bracket_left", "]": "bracket_right",
        ";": "semicolon", "'": "apostrophe", "`": "grave_accent", "\\": "backslash", ",": "comma",
        ".": "dot", "/": "slash", "\t": "tab", "\b": "backspace"}
SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./"))
AT_ONCE = 3  # keys, before their effect is waited for: a controller keeps only so many


@cache
def glyphs():
    """{16 bytes: character}; of those that look the same, the first one."""
    bitmaps, characters = read_both(*FONTS)
    found = {}
    for character, glyph in sorted(characters.items()):
        found.setdefault(bytes(bitmaps[glyph]), chr(character))
    return found


def last_row(picture):
    return next((row for row in reversed(picture.rows) if row), "")


class Picture:
    """What a screen showed: `rows` of text, and the two colours of each cell."""

    def __init__(self, data):
        fields = data.split(b"\n", 3)
        assert fields[0] == b"P6" and fields[2] == b"255", data[:20]
        self.width, self.height = map(int, fields[1].split())
        self.data = fields[3]
        self.rows = [self._row(y) for y in range(self.height // HEIGHT)]

    def __str__(self):
        return "\n".join(self.rows).rstrip("\n")

    __repr__ = __str__  # of a test that fails

    def _lines(self, row, column):
        """A cell's lines of pixels, three bytes a pixel."""
        start = (row * HEIGHT * self.width + column * WIDTH) * 3
        return [self.data[at:at + WIDTH * 3]
                for at in range(start, start + HEIGHT * self.width * 3, self.width * 3)]

    def _cell(self, row, column):
        lines = self._lines(row, column)
        if lines[0] == lines[0][:3] * WIDTH and lines.count(lines[0]) == HEIGHT:
            return " "
        back = lines[0][:3]
        bitmap = bytes(sum((line[x * 3:x * 3 + 3] != back) << (WIDTH - 1 - x) for x in range(WIDTH))
                       for line in lines)
        inverse = bytes(line ^ 0xFF for line in bitmap)
        return glyphs().get(bitmap) or glyphs().get(inverse) or UNKNOWN

    def _row(self, row):
        return "".join(self._cell(row, x) for x in range(self.width // WIDTH)).rstrip()

    def colours(self, row, column):
        """Of a cell, as 0xrrggbb, the most frequent one first: mostly that of the ground."""
        pixels = b"".join(self._lines(row, column))
        counts = Counter(pixels[at:at + 3] for at in range(0, len(pixels), 3))
        return [int.from_bytes(colour, "big") for colour, _ in counts.most_common()]

    def place(self, text):
        """Row and column of the last row that begins with the text."""
        return max((y, 0) for y, row in enumerate(self.rows) if row.startswith(text))


class Screen:
    """Screen and keyboard of a machine that was started with qmp=True."""

    def __init__(self, machine):
        self.machine = machine
        self.file = Path(machine.folder.name) / "screen.ppm"

    def picture(self):
        self.machine.monitor("screendump", filename=str(self.file))
        return Picture(self.file.read_bytes())

    def expect(self, is_good):
        """Looks until the picture is good: a function, or text that is a whole row."""
        test = is_good if callable(is_good) else lambda picture: is_good in picture.rows
        return until(self.picture, test)

    def press(self, *names):
        """Presses keys, each while those before it are held, and releases them."""
        events = [(name, True) for name in names] + [(name, False) for name in reversed(names)]
        self.machine.monitor("input-send-event", events=[
            {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}}
            for name, down in events])

    def interrupt(self):
        """Presses Ctrl-C until there is the prompt: a program that is just starting has no ears."""
        self._press_until(("ctrl", "c"), lambda picture: re.search(PROMPT, last_row(picture)))

    def press_characters(self, text):
        """The keys that have these characters on a keyboard for the United States."""
        for character in text:
            plain = SHIFTED.get(character, character.lower())
            names = [KEYS.get(plain, plain)]
            if plain != character:
                names.insert(0, "shift")
            self.press(*names)

    def _press_until(self, names, is_good):
        """Presses keys again and again until that does something. Not often: what a controller cannot
        keep is lost."""
        pressed = 0

        def press_and_look():
            nonlocal pressed
            if time.monotonic() - pressed > 1:
                pressed = time.monotonic()
                self.press(*names)
            return self.picture()
        until(press_and_look, is_good)

    def wake(self):
        """Waits until the keyboard's driver works: presses a key until that is shown, at a prompt which
        messages may have come behind."""
        self.expect(lambda picture: any(row.startswith("/ $") for row in picture.rows))
        self._press_until(("x",), lambda picture: last_row(picture).endswith("x"))
        self.interrupt()

    def console(self, number, is_good=None):
        """Goes to a console, and waits until what is good is shown: the prompt, if nothing is said."""
        self.press("alt", f"f{number}")
        return self.expect(is_good or (lambda picture: re.search(PROMPT, last_row(picture))))

    def prompt(self):
        """Waits for the shell's prompt, and returns it as it is shown."""
        return last_row(self.expect(lambda picture: re.search(PROMPT, last_row(picture))))

    def type(self, text, shown=None):
        """Types at the prompt, and waits until it is shown there: as `shown`, where the layout is
        another one."""
        shown = text if shown is None else shown
        assert len(shown) == len(text)
        prompt = self.prompt()
        for at in range(0, len(text), AT_ONCE):
            self.press_characters(text[at:at + AT_ONCE])
            line = f"{prompt} {shown[:at + AT_ONCE]}".rstrip()
            self.expect(lambda picture, line=line: last_row(picture) == line)

    def enter(self, text, shown=None):
        self.type(text, shown)
        self.press("ret")
