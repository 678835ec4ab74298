#pragma once
// What the real programs expect of POSIX and WASI's libc does not declare. Included before every
// one of their files. The functions are in posix.c: they fail as a system without the facility
// would.

#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>

#ifndef F_RDLCK
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 5
#define F_SETLK 6
#endif

int system(const char *command);
FILE *popen(const char *command, const char *mode);
int pclose(FILE *stream);

int mkstemp(char *name_template);
char *realpath(const char *path, char *resolved);

mode_t umask(mode_t mask);
int chown(const char *path, uid_t owner, gid_t group);
int fchown(int fd, uid_t owner, gid_t group);
int fchmod(int fd, mode_t mode);
int chmod(const char *path, mode_t mode);
uid_t getuid(void);
uid_t geteuid(void);
