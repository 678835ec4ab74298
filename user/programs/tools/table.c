// The kernel's files, as text and as tables.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/programs/tools/tools.h"

#define FIRST_BYTES 16384u

char *kernel_text(const char *name, usize *len) {
    char path[64];
    usize size = FIRST_BYTES;
    char *text = malloc(size);
    snprintf(path, sizeof path, KERNEL_FOLDER "%s", name);
    int fd = open(path, O_RDONLY);
    *len = 0;
    while (fd >= 0 && text != NULL) {
        ssize_t got = read(fd, text + *len, size - 1 - *len);
        if (got <= 0)
            break;
        *len += (usize)got;
        if (*len == size - 1) {
            char *larger = realloc(text, size *= 2);
            if (larger == NULL)
                free(text);
            text = larger;
        }
    }
    if (fd < 0 || text == NULL) {
        complain("%s: %s", path, strerror(text == NULL ? ENOMEM : errno));
        free(text);
        text = NULL;
    } else {
        text[*len] = 0;
    }
    if (fd >= 0)
        close(fd);
    return text;
}

static char *next_word(char **rest) {
    return strtok_r(*rest, " ", rest);
}

static void take_names(struct table *table, char *line) {
    char *name;
    while (table->column_count < COLUMNS_MAX && (name = next_word(&line)) != NULL)
        table->names[table->column_count++] = name;
}

static void take_row(struct table *table, char *line) {
    char **cells = table->cells + table->row_count * table->column_count;
    u32 last = table->column_count - 1;
    for (u32 i = 0; i < last; i++) {
        cells[i] = next_word(&line);
        if (cells[i] == NULL)
            return; // no row
    }
    cells[last] = line == NULL ? "" : line + strspn(line, " ");
    table->row_count++;
}

bool table_read(const char *name, struct table *out) {
    usize len;
    u32 lines = 0;
    *out = (struct table){.text = kernel_text(name, &len)};
    if (out->text == NULL)
        return false;
    for (const char *at = out->text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    char *rest = out->text;
    take_names(out, strsep(&rest, "\n"));
    if (out->column_count != 0)
        out->cells = calloc(lines * out->column_count + 1, sizeof *out->cells);
    if (out->cells == NULL) {
        complain("%s: no memory, or no columns", name);
        return false;
    }
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        take_row(out, line);
    return true;
}

void table_free(struct table *table) {
    free(table->cells);
    free(table->text);
    *table = (struct table){.text = NULL};
}

const char *table_text(const struct table *table, u32 row, const char *column) {
    for (u32 i = 0; i < table->column_count; i++) {
        if (strcmp(table->names[i], column) == 0)
            return table->cells[row * table->column_count + i];
    }
    return "";
}

u64 table_number(const struct table *table, u32 row, const char *column) {
    return strtoull(table_text(table, row, column), NULL, 10);
}
