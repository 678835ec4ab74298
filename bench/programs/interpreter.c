// An interpreter of a small stack machine, one big switch in a loop, counting primes with a sieve:
// a jump through a table for each instruction.

#include "bench/programs/bench.h"

enum op {
    OP_PUSH,
    OP_LOAD,
    OP_STORE,
    OP_GET,
    OP_SET,
    OP_ADD,
    OP_LESS,
    OP_JUMP,
    OP_BRANCH,
    OP_HALT
};

#define SIEVE 3000

static const int32_t program[] = {
    // for (i = 2; i < SIEVE; i++) {
    OP_PUSH, 2, OP_STORE, 0, /* 4: */ OP_LOAD, 0, OP_PUSH, SIEVE, OP_LESS, OP_BRANCH, 13, OP_JUMP,
    56,
    // 13: if (!memory[i]) {
    OP_LOAD, 0, OP_GET, OP_BRANCH, 47,
    // 18: count++;
    OP_LOAD, 2, OP_PUSH, 1, OP_ADD, OP_STORE, 2,
    // 25: for (j = i; j < SIEVE; j += i) memory[j] = 1;
    OP_LOAD, 0, OP_STORE, 1, /* 29: */ OP_LOAD, 1, OP_PUSH, SIEVE, OP_LESS, OP_BRANCH, 38, OP_JUMP,
    47,
    /* 38: */ OP_LOAD, 1, OP_PUSH, 1, OP_SET, OP_JUMP, 58, OP_HALT, OP_HALT,
    // 47: i++ }
    OP_LOAD, 0, OP_PUSH, 1, OP_ADD, OP_STORE, 0, OP_JUMP, 4,
    // 56:
    OP_HALT, OP_HALT,
    // 58: j += i
    OP_LOAD, 1, OP_LOAD, 0, OP_ADD, OP_STORE, 1, OP_JUMP, 29};

static int32_t memory[SIEVE];

static int32_t interpret(const int32_t *code) {
    int32_t stack[16];
    int32_t locals[3] = {0};
    int32_t *top = stack;
    const int32_t *at = code;
    for (;;) {
        switch ((enum op) * at++) {
        case OP_PUSH:
            *top++ = *at++;
            break;
        case OP_LOAD:
            *top++ = locals[*at++];
            break;
        case OP_STORE:
            locals[*at++] = *--top;
            break;
        case OP_GET:
            top[-1] = memory[top[-1]];
            break;
        case OP_SET:
            top -= 2;
            memory[top[0]] = top[1];
            break;
        case OP_ADD:
            top--;
            top[-1] += top[0];
            break;
        case OP_LESS:
            top--;
            top[-1] = top[-1] < top[0];
            break;
        case OP_JUMP:
            at = code + *at;
            break;
        case OP_BRANCH:
            at = *--top != 0 ? code + *at : at + 1;
            break;
        case OP_HALT:
            return locals[2];
        }
    }
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        memset(memory, 0, sizeof(memory));
        memory[2 + round % 7] = 1; // a prime may be missing
        checksum = bench_mix(checksum, (uint64_t)interpret(program));
    }
    return checksum;
}

BENCH_MAIN(1300, work)
