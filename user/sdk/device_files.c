// Files of a driver (device_files.h). An entry's cookie is how many come before the next one.

#include "user/sdk/device_files.h"

static struct device_files *files_of(struct file_system *fs) {
    return (struct device_files *)(void *)fs;
}

static struct device_file *file_of(struct node *node) {
    return (struct device_file *)(void *)node;
}

void device_files_init(struct device_files *files, u64 device,
                       const struct file_system_ops *operations) {
    *files = (struct device_files){
        .fs = {operations, &files->root}, .root = {1, FILE_TYPE_DIRECTORY}, .device = device};
}

bool device_files_add(struct device_files *files, struct device_file *file, const char *name,
                      enum file_type type) {
    if (files->count == DEVICE_FILES_MAX)
        return false;
    *file = (struct device_file){.node = {1, type}, .name = name, .index = files->count};
    files->all[files->count++] = file;
    return true;
}

void device_files_release(struct file_system *fs, struct node *node) {
    (void)fs;
    (void)node;
}

enum status device_files_lookup(struct file_system *fs, struct node *directory, struct bytes name,
                                struct node **out) {
    struct device_files *files = files_of(fs);
    for (u32 i = 0; directory == &files->root && i < files->count; i++) {
        if (!bytes_equal(name, bytes_of(files->all[i]->name)))
            continue;
        *out = node_retain(&files->all[i]->node);
        return OK;
    }
    return ERR_NOT_FOUND;
}

enum status device_files_list(struct file_system *fs, struct node *directory, u64 cookie,
                              struct listing *listing) {
    struct device_files *files = files_of(fs);
    for (u64 i = cookie; directory == &files->root && i < files->count; i++) {
        const struct device_file *file = files->all[i];
        if (!listing_add(listing, i + 1, device_file_inode(file), file->node.type,
                         bytes_of(file->name)))
            break;
    }
    return OK;
}

enum status device_files_stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    const struct device_files *files = files_of(fs);
    *out = (struct file_stat){.device = files->device,
                              .inode = node == &files->root ? 1 : device_file_inode(file_of(node)),
                              .link_count = 1,
                              .type = node->type};
    return OK;
}
