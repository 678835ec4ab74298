#pragma once
// Reading the kernel's files of columns.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"

#define COLUMNS_LINE 512

// The sum of a column, found by the names in the first line, over the row of `file` that begins
// with the number *row, or over all rows; 0 where there is none. Hexadecimal numbers begin with 0x.
static inline unsigned long long column_add(const char *file, const u32 *row, const char *column) {
    char line[COLUMNS_LINE];
    unsigned long long found = 0;
    int at = -1;
    FILE *text = fopen(file, "r");
    if (text == NULL) {
        perror(file);
        exit(1);
    }
    for (bool is_first = true; fgets(line, sizeof line, text) != NULL; is_first = false) {
        int i = 0;
        u32 number = 0;
        for (char *word = strtok(line, " \n"); word != NULL; word = strtok(NULL, " \n"), i++) {
            if (is_first && strcmp(word, column) == 0)
                at = i;
            if (!is_first && i == 0)
                number = (u32)atoi(word);
            if (!is_first && (row == NULL || number == *row) && i == at)
                found += strtoull(word, NULL, word[1] == 'x' ? 16 : 10);
        }
    }
    fclose(text);
    return found;
}

static inline unsigned long long column_of(const char *file, u32 row, const char *column) {
    return column_add(file, &row, column);
}

static inline unsigned long long column_sum(const char *file, const char *column) {
    return column_add(file, NULL, column);
}
