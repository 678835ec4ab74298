#pragma once
// The sites of one function, packed: about two bytes for each. They are looked for when something
// traps, so that they may be read from the first on, but there are as many of them as every eighth
// byte of a module.

#include "engine/api/contract.h"

// No site takes more.
#define SITE_PACKED_MAX 12

// Packs sites whose offsets, counted from the function's entry, ascend; two may be equal. Writes at
// most SITE_PACKED_MAX bytes for each, and returns how many bytes these are in all.
usize sites_pack(const struct code_site *sites, u32 count, u8 *out);

// Reads them back in order:
//   struct site_reader r = {.at = packed, .end = packed + bytes};
//   while (site_next(&r)) ... r.site ...
struct site_reader {
    const u8 *at;
    const u8 *end;
    struct code_site site;
};

bool site_next(struct site_reader *r);
