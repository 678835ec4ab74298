// Walking a path: name by name, with the directories from the root down to where it stands, so that
// ".." only ever drops one of them. A symbolic link's target is put in front of what is left.

#include "user/sdk/walk.h"

#include <string.h>

#include "base/utf8.h"

struct walker {
    struct file_system *fs;
    struct node *chain[WALK_DEPTH_MAX + 1]; // references; the root first
    u32 depth;                              // chain[depth] is where it stands
    u32 links;
    u8 text[2 * FILE_PATH_MAX + 2]; // what is left to walk is [at, end)
    usize at;
};

// There is one thread, and a walk needs no other.
static struct walker the_walker;

#define TEXT_END sizeof(the_walker.text)

static struct node *here(const struct walker *walker) {
    return walker->chain[walker->depth];
}

// Puts `text` in front of what is left; a slash between the two stays or is added.
static enum status prepend(struct walker *walker, struct bytes text) {
    if (text.len == 0)
        return ERR_NOT_FOUND;
    if (text.data[0] == '/')
        return ERR_ESCAPES;
    if (memchr(text.data, 0, text.len) != NULL)
        return ERR_INVALID;
    if (!utf8_is_valid(text))
        return ERR_BAD_NAME;
    bool joins = walker->at < TEXT_END && walker->text[walker->at] != '/';
    if (text.len > FILE_PATH_MAX || text.len + joins > walker->at)
        return ERR_NAME_TOO_LONG;
    if (joins)
        walker->text[--walker->at] = '/';
    walker->at -= text.len;
    memcpy(walker->text + walker->at, text.data, text.len);
    return OK;
}

// Takes the next name off, and the slashes behind it.
static struct bytes next_name(struct walker *walker, bool *slash) {
    usize start = walker->at;
    while (walker->at < TEXT_END && walker->text[walker->at] != '/')
        walker->at++;
    struct bytes name = {walker->text + start, walker->at - start};
    *slash = walker->at < TEXT_END;
    while (walker->at < TEXT_END && walker->text[walker->at] == '/')
        walker->at++;
    return name;
}

static bool is_name(struct bytes name, const char *what) {
    return name.len == strlen(what) && memcmp(name.data, what, name.len) == 0;
}

static enum status go_up(struct walker *walker) {
    if (walker->depth == 0)
        return ERR_ESCAPES;
    node_release(walker->fs, walker->chain[walker->depth--]);
    return OK;
}

// Takes the reference over.
static enum status go_down(struct walker *walker, struct node *node) {
    enum status status = node->type != FILE_TYPE_DIRECTORY ? ERR_NOT_DIRECTORY
                         : walker->depth == WALK_DEPTH_MAX ? ERR_NAME_TOO_LONG
                                                           : OK;
    if (status == OK)
        walker->chain[++walker->depth] = node;
    else
        node_release(walker->fs, node);
    return status;
}

// Puts the target of `link`, whose reference is taken over, in its place.
static enum status follow(struct walker *walker, struct node *link, bool slash) {
    struct bytes target;
    enum status status = ++walker->links > WALK_LINKS_MAX ? ERR_LOOP : OK;
    if (slash && walker->at == TEXT_END)
        walker->text[--walker->at] = '/'; // it stays the last one's
    if (status == OK)
        status = walker->fs->ops->read_link(walker->fs, link, &target);
    if (status == OK)
        status = prepend(walker, target);
    node_release(walker->fs, link);
    return status;
}

static bool is_followed(enum walk_last last, bool is_last, bool slash) {
    return !is_last || last == WALK_FOLLOW || (last == WALK_NO_FOLLOW && slash);
}

static void arrive(struct walker *walker, struct bytes name, struct node *node, struct place *out) {
    out->directory = node_retain(here(walker));
    out->node = node;
    memcpy(out->name, name.data, name.len);
    out->name_len = (u32)name.len;
}

// One name on. *done: that was the last, and `out` says where it led.
static enum status step(struct walker *walker, enum walk_last last, struct place *out, bool *done) {
    struct bytes name = next_name(walker, &out->slash);
    bool is_last = walker->at == TEXT_END;
    if (name.len > FILE_NAME_MAX)
        return ERR_NAME_TOO_LONG;
    bool is_up = is_name(name, "..");
    if (is_up || is_name(name, ".")) {
        enum status status = is_up ? go_up(walker) : OK;
        out->up = is_up;
        *done = is_last;
        if (status == OK && is_last)
            arrive(walker, (struct bytes){name.data, 0}, node_retain(here(walker)), out);
        return status;
    }
    struct node *node = NULL;
    enum status status = walker->fs->ops->lookup(walker->fs, here(walker), name, &node);
    if (status == ERR_NOT_FOUND && is_last)
        status = OK;
    if (status != OK)
        return status;
    if (node != NULL && node->type == FILE_TYPE_LINK && is_followed(last, is_last, out->slash))
        return follow(walker, node, out->slash);
    if (!is_last)
        return go_down(walker, node);
    *done = true;
    arrive(walker, name, node, out);
    return OK;
}

enum status walk(struct file_system *fs, struct node *root, struct bytes path, enum walk_last last,
                 struct place *out) {
    struct walker *walker = &the_walker;
    if (root->type != FILE_TYPE_DIRECTORY)
        return ERR_NOT_DIRECTORY; // the kernel does not send such; nodes are not to rely on that
    walker->fs = fs;
    walker->chain[0] = node_retain(root);
    walker->depth = 0;
    walker->links = 0;
    walker->at = TEXT_END;
    out->up = false;
    enum status status = prepend(walker, path);
    for (bool done = false; status == OK && !done;)
        status = step(walker, last, out, &done);
    do
        node_release(fs, walker->chain[walker->depth]);
    while (walker->depth-- != 0);
    return status;
}

void walk_end(struct file_system *fs, struct place *place) {
    node_release(fs, place->node);
    node_release(fs, place->directory);
}
