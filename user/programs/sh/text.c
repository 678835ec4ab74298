// Growing text and arenas.

#include "user/programs/sh/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must_have(void *memory) {
    if (memory != NULL)
        return memory;
    fprintf(stderr, "sh: out of memory\n");
    exit(2);
}

static void make_room(struct text *text, usize more) {
    if (text->size - text->len > more)
        return;
    text->size = 2 * (text->len + more) + 32;
    text->data = must_have(realloc(text->data, text->size));
}

void text_add(struct text *text, const char *more, usize len) {
    make_room(text, len);
    memcpy(text->data + text->len, more, len);
    text->len += len;
    text->data[text->len] = 0;
}

void text_add_string(struct text *text, const char *more) {
    text_add(text, more, strlen(more));
}

void text_add_char(struct text *text, char c) {
    text_add(text, &c, 1);
}

char *text_of(struct text *text) {
    make_room(text, 0);
    text->data[text->len] = 0;
    return text->data;
}

void text_free(struct text *text) {
    free(text->data);
    *text = (struct text){0};
}

void text_add_quoted(struct text *text, const char *string) {
    text_add_char(text, '\'');
    for (; *string != 0; string++) {
        if (*string == '\'')
            text_add_string(text, "'\\''");
        else
            text_add_char(text, *string);
    }
    text_add_char(text, '\'');
}

// -- Arenas ---------------------------------------------------------------------------------------

#define BLOCK_BYTES 4096u
#define ALIGNMENT   8u

struct arena_block {
    struct arena_block *next;
    usize used;
    usize size;
    ALIGNED(8) char data[];
};

void *arena_take(struct arena *arena, usize bytes) {
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < bytes) {
        usize size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = must_have(malloc(sizeof *block + size));
        *block = (struct arena_block){.next = arena->blocks, .size = size};
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += bytes;
    return memset(memory, 0, bytes);
}

char *arena_copy(struct arena *arena, const char *from, usize len) {
    char *copy = arena_take(arena, len + 1);
    memcpy(copy, from, len);
    return copy;
}

void arena_free(struct arena *arena) {
    for (struct arena_block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}
