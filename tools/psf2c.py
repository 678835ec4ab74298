#!/usr/bin/env python3
"""Convert a PSF console font with a Unicode table into C: psf2c.py FONT.psfu[.gz] OUT.c

The output defines what kernel/arch/x86_64/font.h declares: the glyphs' bitmaps, and which glyph shows
which character, sorted by character. Only fonts of 8x16 pixels are taken.
"""

import gzip
import re
import struct
import sys

WIDTH, HEIGHT = 8, 16


def read_psf1(data):
    """The older format: always 8 wide, its table in UTF-16."""
    _, mode, height = struct.unpack_from("<HBB", data)
    if not mode & 6:
        raise ValueError("the font has no Unicode table")
    if height != HEIGHT:
        raise ValueError(f"the font is {WIDTH}x{height}, not {WIDTH}x{HEIGHT}")
    count = 512 if mode & 1 else 256
    end = 4 + count * HEIGHT
    table = struct.unpack_from(f"<{(len(data) - end) // 2}H", data, end)
    return data[4:end], split_table(table, count, 0xFFFF, 0xFFFE)


def read_psf2(data):
    _, _, header_bytes, flags, count, glyph_bytes, height, width = struct.unpack_from("<8I", data)
    if not flags & 1:
        raise ValueError("the font has no Unicode table")
    if (width, height, glyph_bytes) != (WIDTH, HEIGHT, HEIGHT):
        raise ValueError(f"the font is {width}x{height}, not {WIDTH}x{HEIGHT}")
    end = header_bytes + count * HEIGHT
    # Bytes 0xff and 0xfe separate entries and sequences and cannot occur in UTF-8.
    table = []
    for part in re.findall(rb"[\xfe\xff]|[^\xfe\xff]+", data[end:]):
        table += [part[0]] if part in (b"\xff", b"\xfe") else map(ord, part.decode("utf-8"))
    return data[header_bytes:end], split_table(table, count, 0xFF, 0xFE)


def split_table(table, count, end_of_glyph, start_of_sequence):
    """Returns {character: glyph}; combining sequences are left out."""
    characters = {}
    glyph, in_sequence = 0, False
    for value in table:
        if value == end_of_glyph:
            glyph, in_sequence = glyph + 1, False
        elif value == start_of_sequence:
            in_sequence = True
        elif not in_sequence and value < 0x10000 and glyph < count:
            characters.setdefault(value, glyph)
    return characters


def read_font(path):
    """Returns (bitmaps, {character: glyph})."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x36\x04":
        bitmap, characters = read_psf1(data)
    elif data[:4] == b"\x72\xb5\x4a\x86":
        bitmap, characters = read_psf2(data)
    else:
        raise ValueError("not a PSF font")
    return [bitmap[at : at + HEIGHT] for at in range(0, len(bitmap), HEIGHT)], characters


def write_glyphs(out, tool, path, header, glyphs):
    """The beginning of a source: where it is from, and the bitmaps."""
    print(f"// Made by tools/{tool} from {path.rsplit('/', 1)[-1]}.\n", file=out)
    print(f'#include "{header}"\n', file=out)
    print(f"const u8 font_glyphs[][FONT_HEIGHT] = {{ // {len(glyphs)} glyphs", file=out)
    for glyph in glyphs:
        print("    {" + ", ".join(f"0x{line:02x}" for line in glyph) + "},", file=out)
    print("};\n", file=out)


def write_source(out, path, glyphs, characters):
    write_glyphs(out, "psf2c.py", path, "kernel/arch/x86_64/font.h", glyphs)
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
            write_source(out, sys.argv[1], glyphs, characters)
    except (OSError, ValueError, struct.error) as error:
        sys.exit(f"psf2c: {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
