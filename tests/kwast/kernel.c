// Prints the files of a directory, as `cat DIRECTORY/*` would.

#include <dirent.h>
#include <stdio.h>

int main(int argc, char **argv) {
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    if (directory == NULL)
        return 1;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[256], line[512];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            return 1;
        printf("-- %s\n", path);
        while (fgets(line, sizeof line, file) != NULL)
            fputs(line, stdout);
        fclose(file);
    }
    return 0;
}
