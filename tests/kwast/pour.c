// Writes bytes to standard output that look like text to a compressor, the same ones each time.
//
//   pour BYTES

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/types.h"

#define PIECE_BYTES 32768u

// xorshift64: tests/system/pipeline_test.py does the same.
static u64 next(u64 *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

// Eight letters from a number: the upper half of each byte is always the same.
static void put_word(u8 *to, u64 number) {
    u64 letters = (number & 0x0f0f0f0f0f0f0f0full) + 0x6161616161616161ull;
    __builtin_memcpy(to, &letters, sizeof letters);
}

int main(int argc, char **argv) {
    static u8 piece[PIECE_BYTES];
    u64 state = 1;
    if (argc != 2) {
        fprintf(stderr, "usage: pour BYTES\n");
        return 2;
    }
    for (u64 left = strtoull(argv[1], NULL, 10); left != 0;) {
        for (u32 i = 0; i < PIECE_BYTES; i += 8)
            put_word(piece + i, next(&state));
        u64 len = left < PIECE_BYTES ? left : PIECE_BYTES;
        for (u64 done = 0; done < len;) {
            ssize_t put = write(STDOUT_FILENO, piece + done, len - done);
            if (put <= 0) {
                perror("pour");
                return 1;
            }
            done += (u64)put;
        }
        left -= len;
    }
    return 0;
}
