// A ring of lines, each as long as it needs to be.

#include "user/services/console/scrollback.h"

#include <stdlib.h>
#include <string.h>

bool scrollback_init(struct scrollback *scrollback, u32 size) {
    *scrollback = (struct scrollback){.lines = calloc(size, sizeof *scrollback->lines)};
    if (scrollback->lines == NULL)
        return false;
    scrollback->size = size;
    return true;
}

void scrollback_fini(struct scrollback *scrollback) {
    for (u32 i = 0; i < scrollback->size; i++)
        free(scrollback->lines[i].cells);
    free(scrollback->lines);
    *scrollback = (struct scrollback){0};
}

static bool is_blank(const struct cell *cell) {
    return cell->character == ' ' && cell->mark == 0 && cell->back == 0 && cell->style == 0;
}

void scrollback_push(struct scrollback *scrollback, const struct cell *cells, u32 len) {
    if (scrollback->size == 0)
        return;
    while (len != 0 && is_blank(&cells[len - 1]))
        len--;
    struct cell *copy = NULL;
    if (len != 0) {
        copy = malloc(len * sizeof *copy);
        if (copy == NULL)
            return;
        memcpy(copy, cells, len * sizeof *copy);
    }
    struct scrollback_line *line = &scrollback->lines[scrollback->next];
    free(line->cells);
    *line = (struct scrollback_line){copy, len};
    scrollback->next = (scrollback->next + 1) % scrollback->size;
    if (scrollback->count < scrollback->size)
        scrollback->count++;
}

const struct scrollback_line *scrollback_line(const struct scrollback *scrollback, u32 back) {
    u32 from_end = back + 1;
    u32 index = scrollback->next >= from_end ? scrollback->next - from_end
                                             : scrollback->next + scrollback->size - from_end;
    return &scrollback->lines[index];
}
