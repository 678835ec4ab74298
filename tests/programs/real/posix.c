// POSIX functions that WASI has no counterpart of: no commands, no owners, no file modes.

#include "posix.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stddef.h>

int system(const char *command) {
    if (command == NULL)
        return 0; // there is no command interpreter
    errno = ENOSYS;
    return -1;
}

FILE *popen(const char *command, const char *mode) {
    (void)command;
    (void)mode;
    errno = ENOSYS;
    return NULL;
}

int pclose(FILE *stream) {
    (void)stream;
    errno = ECHILD;
    return -1;
}

int mkstemp(char *name_template) {
    (void)name_template;
    errno = ENOSYS;
    return -1;
}

char *realpath(const char *path, char *resolved) {
    (void)path;
    (void)resolved;
    errno = ENOSYS;
    return NULL;
}

// Files have no owners and no modes here: nothing to do, and that succeeds.

mode_t umask(mode_t mask) {
    (void)mask;
    return 022;
}

int chown(const char *path, uid_t owner, gid_t group) {
    (void)path;
    (void)owner;
    (void)group;
    return 0;
}

int fchown(int fd, uid_t owner, gid_t group) {
    (void)fd;
    (void)owner;
    (void)group;
    return 0;
}

int chmod(const char *path, mode_t mode) {
    (void)path;
    (void)mode;
    return 0;
}

int fchmod(int fd, mode_t mode) {
    (void)fd;
    (void)mode;
    return 0;
}

uid_t getuid(void) {
    return 0;
}

uid_t geteuid(void) {
    return 0;
}

struct passwd *getpwuid(uid_t uid) {
    (void)uid;
    return NULL;
}

struct passwd *getpwnam(const char *name) {
    (void)name;
    return NULL;
}

// One thread: its values are global. Destructors would run at a thread's end, which is exit().

static const void *specific_values[PTHREAD_SINGLE_KEY_MAX];
static unsigned specific_count;

int pthread_once(pthread_once_t *once, void (*init)(void)) {
    if (!*once) {
        *once = 1;
        init();
    }
    return 0;
}

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
    (void)destructor;
    if (specific_count == PTHREAD_SINGLE_KEY_MAX)
        return EAGAIN;
    *key = specific_count++;
    return 0;
}

int pthread_setspecific(pthread_key_t key, const void *value) {
    if (key >= specific_count)
        return EINVAL;
    specific_values[key] = value;
    return 0;
}

void *pthread_getspecific(pthread_key_t key) {
    return key < specific_count ? (void *)specific_values[key] : NULL;
}
