#!/usr/bin/env python3
"""Convert a PSF2 console font with a Unicode table into C: psf2c.py FONT.psfu[.gz] OUT.c

The output defines what kernel/arch/x86_64/font.h declares: the glyphs' bitmaps, and which glyph shows
which character, sorted by character. Only fonts of 8x16 pixels are taken.
"""

import gzip
import struct
import sys

MAGIC = 0x864AB572
HAS_UNICODE_TABLE = 1
END_OF_GLYPH = 0xFF
START_OF_SEQUENCE = 0xFE
WIDTH, HEIGHT = 8, 16


def read_font(path):
    """Returns (bitmaps, {code point: glyph})."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    magic, _, header_bytes, flags, count, glyph_bytes, height, width = struct.unpack_from("<8I", data)
    if magic != MAGIC or not flags & HAS_UNICODE_TABLE:
        raise ValueError("not a PSF2 font with a Unicode table")
    if (width, height, glyph_bytes) != (WIDTH, HEIGHT, HEIGHT):
        raise ValueError(f"the font is {width}x{height}, not {WIDTH}x{HEIGHT}")
    glyphs = [data[header_bytes + i * HEIGHT :][:HEIGHT] for i in range(count)]

    characters = {}
    entries = data[header_bytes + count * HEIGHT :].split(bytes([END_OF_GLYPH]))
    for glyph, entry in enumerate(entries[:count]):
        single = entry.split(bytes([START_OF_SEQUENCE]))[0]  # combining sequences are not used
        for character in single.decode("utf-8"):
            if ord(character) < 0x10000:
                characters.setdefault(ord(character), glyph)
    return glyphs, characters


def write_source(out, font_name, glyphs, characters):
    print(f"// Made by tools/psf2c.py from {font_name}.\n", file=out)
    print('#include "kernel/arch/x86_64/font.h"\n', file=out)
    print(f"const u8 font_glyphs[][FONT_HEIGHT] = {{ // {len(glyphs)} glyphs", file=out)
    for glyph in glyphs:
        print("    {" + ", ".join(f"0x{line:02x}" for line in glyph) + "},", file=out)
    print("};\n", file=out)
    print("const struct font_entry font_entries[] = {", file=out)
    for character, glyph in sorted(characters.items()):
        print(f"    {{0x{character:04x}, {glyph}}},", file=out)
    print("};\n", file=out)
    print("const u32 font_entry_count = sizeof(font_entries) / sizeof(font_entries[0]);", file=out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        glyphs, characters = read_font(sys.argv[1])
        with open(sys.argv[2], "w", encoding="ascii") as out:
            write_source(out, sys.argv[1].rsplit("/", 1)[-1], glyphs, characters)
    except (OSError, ValueError, struct.error) as error:
        sys.exit(f"psf2c: {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
