#pragma once
#include <sys/types.h>
struct group {
    char *gr_name, *gr_passwd;
    gid_t gr_gid;
    char **gr_mem;
};
struct group *getgrnam(const char *name);
struct group *getgrgid(gid_t group);
struct group *getgrent(void);
int getgrouplist(const char *user, gid_t group, gid_t *groups, int *count);
void setgrent(void);
void endgrent(void);
