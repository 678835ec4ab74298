#!/usr/bin/env python3
"""Convert a font into the console's table of glyphs: font2c.py FONT.pcf.gz FONT.psfu.gz OUT.c

Both are the same font, in the formats of X11 and of the Linux console: the first one has more
characters, the second one knows more characters that look like others. The output defines what
user/services/console/font.h declares. Only fonts of 8x16 pixels are taken.
"""

import gzip
import struct
import sys

from psf2c import HEIGHT, WIDTH, read_font, write_glyphs

TYPE_METRICS, TYPE_BITMAPS, TYPE_ENCODINGS = 4, 8, 32
BIG_ENDIAN, BIG_BITS, COMPRESSED = 4, 8, 0x100
NO_GLYPH = 0xFFFF


class Pcf:
    """X11's Portable Compiled Format: tables, each with a format word of its own."""

    def __init__(self, data):
        if data[:4] != b"\1fcp":
            raise ValueError("not a PCF font")
        self.data = data
        count, = struct.unpack_from("<I", data, 4)
        self.offsets = {}
        for i in range(count):
            kind, _, _, offset = struct.unpack_from("<4I", data, 8 + 16 * i)
            self.offsets[kind] = offset

    def unpack(self, kind, layout, skip):
        """Fields of a table, behind its format and `skip` bytes."""
        offset = self.offsets[kind]
        form, = struct.unpack_from("<I", self.data, offset)
        order = ">" if form & BIG_ENDIAN else "<"
        return struct.unpack_from(order + layout, self.data, offset + 4 + skip)

    def glyphs(self):
        form, = struct.unpack_from("<I", self.data, self.offsets[TYPE_BITMAPS])
        count, = self.unpack(TYPE_BITMAPS, "I", 0)
        starts = self.unpack(TYPE_BITMAPS, f"{count}I", 4)
        row_bytes = 1 << (form & 3)
        if not form & BIG_BITS or not form & BIG_ENDIAN:
            raise ValueError("the leftmost pixel is not the highest bit of the first byte")
        first = self.offsets[TYPE_BITMAPS] + 4 + 4 + 4 * count + 16
        return [bytes(self.data[first + start + row * row_bytes] for row in range(HEIGHT))
                for start in starts]

    def check_size(self):
        form, = struct.unpack_from("<I", self.data, self.offsets[TYPE_METRICS])
        if not form & COMPRESSED:
            raise ValueError("metrics that are not compressed")
        count, = self.unpack(TYPE_METRICS, "H", 0)
        for i in range(count):
            _, _, width, ascent, descent = (
                value - 0x80 for value in self.unpack(TYPE_METRICS, "5B", 2 + 5 * i))
            if width != WIDTH or ascent + descent != HEIGHT:
                raise ValueError(f"a glyph of {width}x{ascent + descent} pixels")

    def characters(self):
        low, high, row_low, row_high, _ = self.unpack(TYPE_ENCODINGS, "5H", 0)
        columns = high - low + 1
        glyphs = self.unpack(TYPE_ENCODINGS, f"{columns * (row_high - row_low + 1)}H", 10)
        return {(row_low + i // columns << 8) + low + i % columns: glyph
                for i, glyph in enumerate(glyphs) if glyph != NO_GLYPH}


def read_both(pcf_path, psf_path):
    """Returns (bitmaps, {character: glyph})."""
    with gzip.open(pcf_path) as file:
        pcf = Pcf(file.read())
    pcf.check_size()
    glyphs, characters = pcf.glyphs(), pcf.characters()
    index = {glyph: number for number, glyph in reversed(list(enumerate(glyphs)))}
    more_glyphs, more = read_font(psf_path)
    for character, number in more.items():
        if character not in characters:
            glyph = bytes(more_glyphs[number])
            if glyph not in index:
                index[glyph] = len(glyphs)
                glyphs.append(glyph)
            characters[character] = index[glyph]
    return glyphs, characters


def runs(characters):
    """[first character, how many, first glyph] of characters whose glyphs follow each other."""
    found = []
    for character, glyph in sorted(characters.items()):
        if found and found[-1][0] + found[-1][1] == character and found[-1][2] + found[-1][1] == glyph:
            found[-1][1] += 1
        else:
            found.append([character, 1, glyph])
    return found


def write_source(out, path, glyphs, characters):
    write_glyphs(out, "font2c.py", path, "user/services/console/font.h", glyphs)
    print("const struct font_run font_runs[] = {", file=out)
    for first, count, glyph in runs(characters):
        print(f"    {{0x{first:04x}, {count}, {glyph}}},", file=out)
    print("};\n", file=out)
    print("const u32 font_run_count = sizeof(font_runs) / sizeof(font_runs[0]);", file=out)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        glyphs, characters = read_both(sys.argv[1], sys.argv[2])
        with open(sys.argv[3], "w", encoding="ascii") as out:
            write_source(out, sys.argv[1], glyphs, characters)
    except (OSError, ValueError, KeyError, struct.error) as error:
        sys.exit(f"font2c: {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
