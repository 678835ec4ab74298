// The server of files. Each operation of the protocol is a function on a `struct job`; what is open
// has a number, which is the value of its channel.
//
// Clients are trusted with nothing: paths and names are checked by walk.h, sizes here.

#include "user/sdk/files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/sdk/walk.h"

#define LIST_BYTES FILE_DATA_MAX

struct open_file {
    struct node *node; // NULL: this number is free
    u32 next_free;
    u16 flags;
};

// A request and what becomes of it.
struct job {
    struct files *files;
    const struct kwast_request *request;
    struct kwast_reply *reply;
    struct file_system *fs;
    struct node *node; // that the channel is for
    struct bytes path;
    struct bytes other_path;
    u16 flags;
};

// -- What is open ---------------------------------------------------------------------------------

static struct node *node_of(const struct files *files, u64 value) {
    if (value == 0)
        return files->fs->root;
    return value < files->open_size ? files->open[value].node : NULL;
}

static bool grow_table(struct files *files) {
    u32 size = files->open_size == 0 ? 64 : 2 * files->open_size;
    struct open_file *open = realloc(files->open, size * sizeof *open);
    if (open == NULL)
        return false;
    for (u32 i = files->open_size; i < size; i++)
        open[i] = (struct open_file){.next_free = i + 1 < size ? i + 1 : 0};
    files->open_free = files->open_size == 0 ? 1 : files->open_size; // 0 is the root's
    files->open = open;
    files->open_size = size;
    return true;
}

static enum kwast_kind kind_of(enum file_type type) {
    return type == FILE_TYPE_FILE        ? KWAST_KIND_FILE
           : type == FILE_TYPE_DIRECTORY ? KWAST_KIND_DIRECTORY
                                         : KWAST_KIND_STREAM;
}

static void close_node(const struct files *files, struct node *node, u16 flags) {
    if (files->fs->ops->close != NULL)
        files->fs->ops->close(files->fs, node, flags);
}

static void close_value(struct files *files, u64 value) {
    struct node *node = node_of(files, value);
    if (node == NULL || value == 0)
        return;
    struct open_file *file = &files->open[value];
    close_node(files, node, file->flags);
    *file = (struct open_file){.next_free = files->open_free};
    files->open_free = (u32)value;
    node_release(files->fs, node);
}

// Gives an open node a number and a channel; or closes it.
static enum status open_channel(struct files *files, struct node *node, u16 flags,
                                kwast_handle *out) {
    if (files->open_free == 0 && !grow_table(files)) {
        close_node(files, node, flags);
        return ERR_NO_MEMORY;
    }
    u32 value = files->open_free;
    files->open_free = files->open[value].next_free;
    files->open[value] = (struct open_file){.node = node_retain(node), .flags = flags};
    if (kwast_scheme_channel(files->server, value, kind_of(node->type), out) == 0)
        return OK;
    close_value(files, value);
    return ERR_LIMIT;
}

// -- Data -----------------------------------------------------------------------------------------

static struct transfer transfer_of(const struct job *job) {
    u32 room = job->request->grant_count == 0 ? 0 : job->request->grants[0].len;
    return (struct transfer){
        .server = job->files->server,
        .number = job->request->number,
        .room = room,
    };
}

enum status transfer_put(struct transfer *transfer, const void *from, u64 len) {
    if (len > transfer_left(transfer))
        return ERR_INVALID;
    if (len == 0)
        return OK; // where there is no room, nothing was lent for writing
    u32 error = kwast_grant_write(transfer->server, transfer->number, 0, transfer->done, from, len);
    transfer->done += error == 0 ? len : 0;
    return error == 0 ? OK : ERR_FAULT;
}

enum status transfer_get(struct transfer *transfer, void *to, u64 len) {
    if (len > transfer_left(transfer))
        return ERR_INVALID;
    u32 error = kwast_grant_read(transfer->server, transfer->number, 0, transfer->done, to, len);
    transfer->done += error == 0 ? len : 0;
    return error == 0 ? OK : ERR_FAULT;
}

// Answers with data.
static enum status put_data(struct job *job, const void *from, u64 len) {
    struct transfer transfer = transfer_of(job);
    enum status status = transfer_put(&transfer, from, len);
    job->reply->words[2] = transfer.done;
    return status;
}

// -- Opening --------------------------------------------------------------------------------------

#define OPEN_CHANGES (FILE_OPEN_WRITE | FILE_OPEN_TRUNCATE | FILE_OPEN_CREATE)

static enum status check_existing(const struct job *job, const struct place *place) {
    enum file_type type = place->node->type;
    bool wants_directory = place->slash || (job->flags & FILE_OPEN_DIRECTORY) != 0;
    bool is_new = (job->flags & FILE_OPEN_CREATE) != 0 && (job->flags & FILE_OPEN_EXCLUSIVE) != 0;
    if (is_new)
        return ERR_EXISTS;
    if (type == FILE_TYPE_DIRECTORY)
        return (job->flags & OPEN_CHANGES) != 0 ? ERR_IS_DIRECTORY : OK;
    if (wants_directory)
        return ERR_NOT_DIRECTORY;
    return type == FILE_TYPE_LINK ? ERR_LOOP : OK;
}

static enum status create_file(const struct job *job, struct place *place) {
    if ((job->flags & FILE_OPEN_CREATE) == 0)
        return ERR_NOT_FOUND;
    if (job->fs->ops->create == NULL)
        return ERR_READ_ONLY;
    return job->fs->ops->create(job->fs, place->directory, place_name(place), FILE_TYPE_FILE,
                                (struct bytes){NULL, 0}, &place->node);
}

static enum status set_size(const struct job *job, struct node *node, u64 size) {
    const struct file_system_ops *ops = job->fs->ops;
    return ops->set_size == NULL ? ERR_READ_ONLY : ops->set_size(job->fs, node, size);
}

static enum status open_other(kwast_handle other, kwast_handle *out) {
    __wasi_fdstat_t stat;
    if (__wasi_fd_fdstat_get((int)other, &stat) != 0)
        return ERR_NO_DEVICE;
    return kwast_handle_duplicate(other, stat.fs_rights_base, stat.fs_rights_inheriting, out) == 0
               ? OK
               : ERR_LIMIT;
}

static enum status give_channel(struct job *job, struct node *node) {
    const struct file_system_ops *ops = job->fs->ops;
    kwast_handle other = ops->stands_for != NULL ? ops->stands_for(job->fs, node) : KWAST_NO_HANDLE;
    if (other != KWAST_NO_HANDLE)
        return open_other(other, &job->reply->handle);
    enum status status = ops->open != NULL ? ops->open(job->fs, node, job->flags) : OK;
    return status == OK ? open_channel(job->files, node, job->flags, &job->reply->handle) : status;
}

static enum status open_place(struct job *job, struct place *place) {
    bool is_there = place->node != NULL;
    if (place->slash && place->name_len != 0 && (job->flags & FILE_OPEN_CREATE) != 0)
        return ERR_IS_DIRECTORY; // whatever is there
    enum status status = is_there ? check_existing(job, place) : create_file(job, place);
    bool truncates =
        is_there && place->node->type == FILE_TYPE_FILE && (job->flags & FILE_OPEN_TRUNCATE) != 0;
    if (status == OK && truncates)
        status = set_size(job, place->node, 0);
    if (status == OK)
        status = give_channel(job, place->node);
    job->reply->words[0] = status == OK ? place->node->type : 0;
    return status;
}

static enum status serve_open(struct job *job) {
    u16 only = FILE_OPEN_CREATE | FILE_OPEN_EXCLUSIVE;
    bool follows = (job->flags & FILE_FOLLOW) != 0 && (job->flags & only) != only;
    struct place place;
    enum status status =
        walk(job->fs, job->node, job->path, follows ? WALK_FOLLOW : WALK_NO_FOLLOW, &place);
    if (status != OK)
        return status;
    status = open_place(job, &place);
    walk_end(job->fs, &place);
    return status;
}

// -- Contents -------------------------------------------------------------------------------------

static enum status serve_read(struct job *job) {
    if (job->node->type == FILE_TYPE_DIRECTORY)
        return ERR_IS_DIRECTORY;
    struct transfer transfer = transfer_of(job);
    if (job->fs->ops->read == NULL)
        return OK;
    enum status status = job->fs->ops->read(job->fs, job->node, job->request->words[0], &transfer);
    job->reply->words[2] = transfer.done;
    return status;
}

static enum status write_at(struct job *job, u64 offset) {
    if (job->node->type == FILE_TYPE_DIRECTORY)
        return ERR_IS_DIRECTORY;
    if (job->fs->ops->write == NULL)
        return ERR_READ_ONLY;
    struct transfer transfer = transfer_of(job);
    enum status status = job->fs->ops->write(job->fs, job->node, offset, &transfer);
    job->reply->words[0] = transfer.done;
    return status;
}

static enum status serve_write(struct job *job) {
    u64 offset = job->request->words[0];
    return offset > INT64_MAX ? ERR_INVALID : write_at(job, offset);
}

static enum status serve_append(struct job *job) {
    struct file_stat stat;
    enum status status = write_at(job, FILE_END);
    if (status == OK)
        status = job->fs->ops->stat(job->fs, job->node, &stat);
    job->reply->words[1] = status == OK ? stat.size : 0;
    return status;
}

// What is for files alone.
static enum status check_file(const struct job *job) {
    return job->node->type == FILE_TYPE_DIRECTORY ? ERR_IS_DIRECTORY
           : job->node->type == FILE_TYPE_FILE    ? OK
                                                  : ERR_INVALID;
}

static enum status serve_set_size(struct job *job) {
    enum status status = check_file(job);
    return status == OK ? set_size(job, job->node, job->request->words[0]) : status;
}

static enum status serve_allocate(struct job *job) {
    const u64 *words = job->request->words;
    enum status status = check_file(job);
    if (status != OK)
        return status;
    if (job->fs->ops->allocate == NULL)
        return ERR_READ_ONLY;
    return job->fs->ops->allocate(job->fs, job->node, words[0], words[1]);
}

static enum status serve_sync(struct job *job) {
    if (job->fs->ops->sync == NULL)
        return OK;
    return job->fs->ops->sync(job->fs, job->node, (job->flags & FILE_SYNC_DATA) != 0);
}

// -- Listing --------------------------------------------------------------------------------------

struct listing {
    u8 *data;
    u32 len;
    u32 room;
    bool is_cut;
};

bool listing_add(struct listing *listing, u64 next_cookie, u64 inode, enum file_type type,
                 struct bytes name) {
    const struct file_entry entry = {
        .next_cookie = next_cookie,
        .inode = inode,
        .name_len = (u16)name.len,
        .type = type,
    };
    listing->is_cut = listing->room - listing->len < sizeof entry + name.len;
    if (listing->is_cut)
        return false;
    memcpy(listing->data + listing->len, &entry, sizeof entry);
    memcpy(listing->data + listing->len + sizeof entry, name.data, name.len);
    listing->len += (u32)(sizeof entry + name.len);
    return true;
}

static enum status serve_list(struct job *job) {
    static u8 data[LIST_BYTES];
    u64 room = transfer_left(&(struct transfer){.room = transfer_of(job).room});
    struct listing listing = {.data = data, .room = room < sizeof data ? (u32)room : sizeof data};
    if (job->node->type != FILE_TYPE_DIRECTORY)
        return ERR_NOT_DIRECTORY;
    enum status status = job->fs->ops->list(job->fs, job->node, job->request->words[0], &listing);
    if (status != OK)
        return status;
    if (listing.len == 0 && listing.is_cut)
        return ERR_INVALID; // not even one entry fits
    return put_data(job, data, listing.len);
}

// -- Attributes -----------------------------------------------------------------------------------

// What the path names, or without one the open file itself; a reference.
static enum status find_subject(const struct job *job, enum walk_last last, struct node **out) {
    if (job->path.len == 0) {
        *out = node_retain(job->node);
        return OK;
    }
    struct place place;
    enum status status = walk(job->fs, job->node, job->path, last, &place);
    if (status != OK)
        return status;
    if (place.node == NULL)
        status = ERR_NOT_FOUND;
    else if (place.slash && place.node->type != FILE_TYPE_DIRECTORY)
        status = ERR_NOT_DIRECTORY;
    else
        *out = node_retain(place.node);
    walk_end(job->fs, &place);
    return status;
}

static enum walk_last last_of(const struct job *job) {
    return (job->flags & FILE_FOLLOW) != 0 ? WALK_FOLLOW : WALK_NO_FOLLOW;
}

static enum status serve_stat(struct job *job) {
    struct node *subject;
    struct file_stat stat = {0};
    enum status status = find_subject(job, last_of(job), &subject);
    if (status != OK)
        return status;
    status = job->fs->ops->stat(job->fs, subject, &stat);
    stat.type = subject->type;
    node_release(job->fs, subject);
    return status == OK ? put_data(job, &stat, sizeof stat) : status;
}

static enum status serve_stat_system(struct job *job) {
    struct file_system_stat stat = {0};
    if (job->fs->ops->stat_system == NULL)
        return ERR_UNSUPPORTED;
    enum status status = job->fs->ops->stat_system(job->fs, &stat);
    return status == OK ? put_data(job, &stat, sizeof stat) : status;
}

static enum status serve_set_times(struct job *job) {
    const u64 *words = job->request->words;
    struct node *subject;
    if (job->fs->ops->set_times == NULL)
        return ERR_READ_ONLY;
    enum status status = find_subject(job, last_of(job), &subject);
    if (status != OK)
        return status;
    status = job->fs->ops->set_times(job->fs, subject, job->flags, words[0], words[1]);
    node_release(job->fs, subject);
    return status;
}

static enum status serve_read_link(struct job *job) {
    struct node *subject;
    struct bytes target = {NULL, 0};
    if (job->path.len == 0)
        return ERR_NOT_FOUND;
    enum status status = find_subject(job, WALK_NO_FOLLOW, &subject);
    if (status != OK)
        return status;
    status = subject->type == FILE_TYPE_LINK ? job->fs->ops->read_link(job->fs, subject, &target)
                                             : ERR_NOT_LINK;
    u64 room = transfer_of(job).room;
    if (status == OK)
        status = put_data(job, target.data, target.len < room ? target.len : room);
    node_release(job->fs, subject);
    return status;
}

// -- Names ----------------------------------------------------------------------------------------

// Makes `type` at the path, which must name nothing yet.
static enum status make_at(struct job *job, enum file_type type, struct bytes target) {
    struct place place;
    struct node *made;
    if (job->fs->ops->create == NULL)
        return ERR_READ_ONLY;
    enum status status = walk(job->fs, job->node, job->path, WALK_NAME, &place);
    if (status != OK)
        return status;
    if (place.node != NULL)
        status = ERR_EXISTS;
    else if (place.slash && type != FILE_TYPE_DIRECTORY)
        status = ERR_NOT_FOUND;
    else
        status =
            job->fs->ops->create(job->fs, place.directory, place_name(&place), type, target, &made);
    if (status == OK)
        node_release(job->fs, made);
    walk_end(job->fs, &place);
    return status;
}

static enum status serve_make_directory(struct job *job) {
    return make_at(job, FILE_TYPE_DIRECTORY, (struct bytes){NULL, 0});
}

static enum status serve_make_link(struct job *job) {
    if (job->other_path.len == 0)
        return ERR_NOT_FOUND;
    if (memchr(job->other_path.data, 0, job->other_path.len) != NULL)
        return ERR_INVALID;
    return make_at(job, FILE_TYPE_LINK, job->other_path);
}

// What removing says before it looks at the directory's contents.
static enum status check_remove(const struct place *place, bool directory) {
    bool is_directory = place->node != NULL && place->node->type == FILE_TYPE_DIRECTORY;
    if (place->name_len == 0)
        return !directory ? ERR_IS_DIRECTORY : place->up ? ERR_NOT_EMPTY : ERR_INVALID;
    if (place->node == NULL)
        return ERR_NOT_FOUND;
    if (directory)
        return is_directory ? OK : ERR_NOT_DIRECTORY;
    return is_directory ? ERR_IS_DIRECTORY : place->slash ? ERR_NOT_DIRECTORY : OK;
}

static enum status remove_at(struct job *job, bool directory) {
    struct place place;
    if (job->fs->ops->remove == NULL)
        return ERR_READ_ONLY;
    enum status status = walk(job->fs, job->node, job->path, WALK_NAME, &place);
    if (status != OK)
        return status;
    status = check_remove(&place, directory);
    if (status == OK)
        status = job->fs->ops->remove(job->fs, place.directory, place_name(&place), place.node);
    walk_end(job->fs, &place);
    return status;
}

static enum status serve_remove_directory(struct job *job) {
    return remove_at(job, true);
}

static enum status serve_unlink(struct job *job) {
    return remove_at(job, false);
}

static enum status check_rename(const struct place *from, const struct place *to) {
    if (from->name_len == 0 || to->name_len == 0)
        return ERR_BUSY;
    if (from->node == NULL)
        return ERR_NOT_FOUND;
    bool is_directory = from->node->type == FILE_TYPE_DIRECTORY;
    if (!is_directory && (from->slash || to->slash))
        return ERR_NOT_DIRECTORY;
    if (to->node == NULL)
        return OK;
    if (is_directory != (to->node->type == FILE_TYPE_DIRECTORY))
        return is_directory ? ERR_NOT_DIRECTORY : ERR_IS_DIRECTORY;
    return OK;
}

static enum status rename_places(struct job *job, const struct place *from,
                                 const struct place *to) {
    enum status status = check_rename(from, to);
    if (status != OK || from->node == to->node) // two names of one file: both stay
        return status;
    return job->fs->ops->rename(job->fs, from->directory, place_name(from), from->node,
                                to->directory, place_name(to), to->node);
}

static enum status serve_rename(struct job *job) {
    struct node *other = node_of(job->files, job->request->words[3]);
    struct place from;
    struct place to;
    if (other == NULL)
        return ERR_BAD_HANDLE;
    if (job->fs->ops->rename == NULL)
        return ERR_READ_ONLY;
    enum status status = walk(job->fs, job->node, job->path, WALK_NAME, &from);
    if (status != OK)
        return status;
    status = walk(job->fs, other, job->other_path, WALK_NAME, &to);
    if (status == OK) {
        status = rename_places(job, &from, &to);
        walk_end(job->fs, &to);
    }
    walk_end(job->fs, &from);
    return status;
}

static enum status check_link(const struct place *from, const struct place *to) {
    if (to->node != NULL)
        return ERR_EXISTS;
    if (to->slash)
        return ERR_NOT_FOUND;
    if (from->name_len == 0)
        return ERR_NOT_PERMITTED;
    if (from->node == NULL)
        return ERR_NOT_FOUND;
    bool is_directory = from->node->type == FILE_TYPE_DIRECTORY;
    return is_directory ? ERR_NOT_PERMITTED : from->slash ? ERR_NOT_DIRECTORY : OK;
}

static enum status serve_link(struct job *job) {
    struct node *other = node_of(job->files, job->request->words[3]);
    bool follows = (job->flags & FILE_FOLLOW) != 0;
    struct place from;
    struct place to;
    if (other == NULL)
        return ERR_BAD_HANDLE;
    if (job->fs->ops->link == NULL)
        return ERR_READ_ONLY;
    enum status status = walk(job->fs, other, job->other_path, WALK_NAME, &to);
    if (status != OK)
        return status;
    status = walk(job->fs, job->node, job->path, follows ? WALK_FOLLOW : WALK_NAME, &from);
    if (status == OK) {
        status = check_link(&from, &to);
        if (status == OK)
            status = job->fs->ops->link(job->fs, from.node, to.directory, place_name(&to));
        walk_end(job->fs, &from);
    }
    walk_end(job->fs, &to);
    return status;
}

// -- Requests -------------------------------------------------------------------------------------

static enum status (*const operations[FILE_OP_COUNT])(struct job *job) = {
    [FILE_OPEN] = serve_open,
    [FILE_READ] = serve_read,
    [FILE_WRITE] = serve_write,
    [FILE_APPEND] = serve_append,
    [FILE_SET_SIZE] = serve_set_size,
    [FILE_ALLOCATE] = serve_allocate,
    [FILE_SYNC] = serve_sync,
    [FILE_LIST] = serve_list,
    [FILE_STAT] = serve_stat,
    [FILE_SET_TIMES] = serve_set_times,
    [FILE_READ_LINK] = serve_read_link,
    [FILE_MAKE_DIRECTORY] = serve_make_directory,
    [FILE_REMOVE_DIRECTORY] = serve_remove_directory,
    [FILE_UNLINK] = serve_unlink,
    [FILE_RENAME] = serve_rename,
    [FILE_LINK] = serve_link,
    [FILE_MAKE_LINK] = serve_make_link,
};

// Takes the other path out of the client's memory.
static enum status take_other_path(struct job *job) {
    static u8 text[FILE_PATH_MAX];
    const struct kwast_request *request = job->request;
    job->other_path = (struct bytes){text, 0};
    if (request->grant_count < 2)
        return OK;
    u32 len = request->grants[1].len;
    if (len > sizeof text)
        return ERR_NAME_TOO_LONG;
    job->other_path.len = len;
    u32 error = kwast_grant_read(job->files->server, request->number, 1, 0, text, len);
    return error == 0 ? OK : ERR_FAULT;
}

static enum status serve(struct job *job) {
    u32 op = job->request->operation - KWAST_FILE_OPERATION;
    if (job->request->operation == FILE_SYSTEM_STAT)
        return serve_stat_system(job);
    if (op >= FILE_OP_COUNT || operations[op] == NULL)
        return ERR_UNSUPPORTED;
    if (job->node == NULL)
        return ERR_BAD_HANDLE;
    enum status status = take_other_path(job);
    return status == OK ? operations[op](job) : status;
}

void files_init(struct files *files, kwast_handle server, struct file_system *fs) {
    *files = (struct files){.fs = fs, .server = server};
}

bool files_answer(struct files *files, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    for (u32 i = 0; i < request->handle_count; i++) // nothing here takes any
        close((int)request->handles[i]);
    if (request->operation == KWAST_CLOSED) {
        close_value(files, request->value);
        return false;
    }
    if (request->operation == KWAST_CANCELLED)
        return false; // it was answered before this could come
    struct job job = {
        .files = files,
        .request = request,
        .reply = reply,
        .fs = files->fs,
        .node = node_of(files, request->value),
        .path = {bytes, request->bytes_len},
        .flags = (u16)request->words[2],
    };
    reply->answer = serve(&job);
    return true;
}

static bool serve_files(void *context, const struct kwast_request *request, const void *bytes,
                        struct kwast_reply *reply) {
    return files_answer(context, request, bytes, reply);
}

u32 files_serve(kwast_handle server, struct file_system *fs) {
    struct files files;
    files_init(&files, server, fs);
    return kwast_serve(server, serve_files, &files);
}
