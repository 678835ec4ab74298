// Looks at a directory that user/services/example serves, as any program would: with libc, and
// knowing nothing of schemes. Prints what is wrong, or at the end "all right".

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kwast/check.h"

static void test_reading(void) {
    char text[32] = "";
    FILE *file = fopen("/names/hello", "r");
    CHECK(file != NULL);
    CHECK(file != NULL && fread(text, 1, sizeof text, file) == 5 && strcmp(text, "hello") == 0);
    CHECK(file != NULL && fseek(file, 3, SEEK_SET) == 0 && fgetc(file) == 'l' &&
          fgetc(file) == 'o');
    CHECK(file != NULL && fgetc(file) == EOF && fclose(file) == 0);
    struct stat info;
    CHECK(stat("/names/four", &info) == 0 && info.st_size == 4 && S_ISREG(info.st_mode));
    CHECK(stat("/names", &info) == 0 && S_ISDIR(info.st_mode));
}

static void test_listing(void) {
    char all[64] = "";
    DIR *directory = opendir("/names");
    CHECK(directory != NULL);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.')
            strcat(strcat(all, entry->d_name), " ");
    }
    CHECK(strcmp(all, "alpha beta gamma ") == 0);
    CHECK(directory != NULL && closedir(directory) == 0);
}

static void test_refusals(void) {
    CHECK(unlink("/names/hello") != 0 && errno == EROFS);
    CHECK(mkdir("/names/new", 0777) != 0 && errno == EROFS);
    CHECK(rename("/names/a", "/names/b") != 0 && errno == EROFS);
    CHECK(open("/names/../secret", O_RDONLY) < 0);
}

// The service has room for 63 at a time: it is told when one is closed.
static void test_closing(void) {
    int files[70], count = 0;
    while (count < 70 && (files[count] = open("/names/x", O_RDONLY)) >= 0)
        count++;
    CHECK(count == 63);
    for (int i = 0; i < count; i++)
        CHECK(close(files[i]) == 0);
    for (int i = 0; i < 200; i++) {
        int file = open("/names/y", O_RDONLY);
        CHECK(file >= 0 && close(file) == 0);
    }
}

int main(void) {
    test_reading();
    test_listing();
    test_refusals();
    test_closing();
    if (failures == 0)
        printf("all right\n");
    return failures != 0;
}
