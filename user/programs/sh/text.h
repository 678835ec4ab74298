#pragma once
// Text that grows, and memory that is given back all at once. Where there is no memory left the
// shell says so and ends: there is nothing sensible that it could do.

#include "base/types.h"

void *must_have(void *memory); // ends the shell if it is NULL

// Always NUL-terminated once something was added, or text_of was called.
struct text {
    char *data;
    usize len;
    usize size;
};

void text_add(struct text *text, const char *more, usize len);
void text_add_string(struct text *text, const char *more);
void text_add_char(struct text *text, char c);
char *text_of(struct text *text);
void text_free(struct text *text);

// Adds the string so that a shell reads it as one word that means just that.
void text_add_quoted(struct text *text, const char *string);

// Memory that lives as long as the arena.
struct arena_block;
struct arena {
    struct arena_block *blocks;
};
void *arena_take(struct arena *arena, usize bytes); // zeroed
char *arena_copy(struct arena *arena, const char *from, usize len);
void arena_free(struct arena *arena);
