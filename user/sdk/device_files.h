#pragma once
// What a driver's file system mostly is: one directory, of files that are there from the beginning
// and stay. A driver has operations of its own for what they do, and these for the rest.
//
//   device_files_init(&files, NUMBER, &operations);                     among which are those below
//   device_files_add(&files, &drive->file, "0", FILE_TYPE_FILE);        for each
//   error = files_serve(server, &files.fs);

#include "user/sdk/file_system.h"

#define DEVICE_FILES_MAX 32u

// The head of a driver's own structure.
struct device_file {
    struct node node;
    const char *name;
    u32 index;
};

struct device_files {
    struct file_system fs;
    struct node root;
    u64 device; // what stat tells
    struct device_file *all[DEVICE_FILES_MAX];
    u32 count;
};

void device_files_init(struct device_files *files, u64 device,
                       const struct file_system_ops *operations);

// `name` is kept. False: there is no room.
bool device_files_add(struct device_files *files, struct device_file *file, const char *name,
                      enum file_type type);

// The inode that stat tells.
static inline u64 device_file_inode(const struct device_file *file) {
    return 2 + (u64)file->index; // 1 is the directory
}

// Operations. Nothing of it is ever released: each node has a reference of its own.
void device_files_release(struct file_system *fs, struct node *node);
enum status device_files_lookup(struct file_system *fs, struct node *directory, struct bytes name,
                                struct node **out);
enum status device_files_list(struct file_system *fs, struct node *directory, u64 cookie,
                              struct listing *listing);
enum status device_files_stat(struct file_system *fs, struct node *node, struct file_stat *out);
