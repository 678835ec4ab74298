#pragma once
// What POSIX has, programs of Debian's expect, and WASI's libc does not declare: included before
// every file of a port. posix.c has it, as far as Kwast can do it; the rest fails as it would on a
// system without the facility. Some is declared only, for files to be compiled of which a program
// uses other parts: who calls such a function is not linked.

#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>

#ifndef F_RDLCK
#define F_RDLCK  0
#define F_WRLCK  1
#define F_UNLCK  2
#define F_GETLK  5
#define F_SETLK  6
#define F_SETLKW 7
#endif
#ifndef F_DUPFD
#define F_DUPFD         0
#define F_DUPFD_CLOEXEC 1030
#endif
#ifndef O_NOCTTY
#define O_NOCTTY 0
#endif
#ifndef O_LARGEFILE
#define O_LARGEFILE 0
#endif

// Modes that WASI does not know. It has one number for pipes and sockets; ours is everybody's.
#include <sys/stat.h>
#undef S_IFIFO
#define S_IFIFO 0010000
#undef S_ISFIFO
#define S_ISFIFO(mode) (((mode) & S_IFMT) == S_IFIFO)
#ifndef S_ISUID
#define S_ISUID 04000
#define S_ISGID 02000
#define S_ISVTX 01000
#endif

int system(const char *command);
FILE *popen(const char *command, const char *mode);
int pclose(FILE *stream);
int mkstemp(char *name_template);
char *mkdtemp(char *name_template);
char *mktemp(char *name_template);
char *realpath(const char *path, char *resolved);
FILE *tmpfile(void);

mode_t umask(mode_t mask);
int chown(const char *path, uid_t owner, gid_t group);
int lchown(const char *path, uid_t owner, gid_t group);
int fchown(int fd, uid_t owner, gid_t group);
int fchmod(int fd, mode_t mode);
int chmod(const char *path, mode_t mode);
int mknod(const char *path, mode_t mode, dev_t device);
int mkfifo(const char *path, mode_t mode);
uid_t getuid(void);
uid_t geteuid(void);
gid_t getgid(void);
gid_t getegid(void);
int setuid(uid_t user);
int setgid(gid_t group);
int seteuid(uid_t user);
int setegid(gid_t group);
int getgroups(int size, gid_t *groups);
int setgroups(size_t count, const gid_t *groups);
int initgroups(const char *user, gid_t group);

pid_t fork(void);

// The caller goes on as its own child, until it calls exec or ends (process.c).
#include <setjmp.h>
extern jmp_buf posix_vfork_buffer;
void posix_vfork_begin(void);
pid_t posix_vfork_result(void);
#define vfork()                                                                                    \
    (posix_vfork_begin(), setjmp(posix_vfork_buffer) == 0 ? (pid_t)0 : posix_vfork_result())

pid_t getppid(void);
pid_t setsid(void);
pid_t getpgrp(void);
pid_t getsid(pid_t process);
pid_t getpgid(pid_t process);
int setpgid(pid_t process, pid_t group);
pid_t tcgetpgrp(int fd);
int tcsetpgrp(int fd, pid_t group);
int kill(pid_t process, int signal);
int killpg(pid_t group, int signal);
int execv(const char *path, char *const *arguments);
int execve(const char *path, char *const *arguments, char *const *environment);
int execvp(const char *name, char *const *arguments);
int execl(const char *path, const char *argument, ...);
int execlp(const char *name, const char *argument, ...);
int execle(const char *path, const char *argument, ...);

int dup(int fd);
int dup2(int fd, int to);
int pipe(int *fds);
unsigned alarm(unsigned seconds);
int pause(void);
int chroot(const char *path);
int fchdir(int fd);
int gethostname(char *name, size_t size);
char *ttyname(int fd);
int ttyname_r(int fd, char *name, size_t size);
char *getlogin(void);
int nice(int by);
long gethostid(void);
int getpagesize(void);
void sync(void);
int vhangup(void);

// Kinds of sockets that WASI does not have; nobody gets one.
#define SOCK_RAW       3
#define SOCK_RDM       4
#define SOCK_SEQPACKET 5

// Sockets and clocks that nobody can set.
struct sockaddr;
struct timeval;
struct timezone;
struct timespec;
int socket(int family, int type, int protocol);
int bind(int fd, const struct sockaddr *address, unsigned len);
int listen(int fd, int backlog);
int connect(int fd, const struct sockaddr *address, unsigned len);
ssize_t sendto(int fd, const void *from, size_t len, int flags, const struct sockaddr *to,
               unsigned to_len);
int settimeofday(const struct timeval *time, const struct timezone *zone);
#include <time.h>
int clock_settime(clockid_t clock, const struct timespec *time);

// Signals reach only the program that raises them; kill ends a child, whatever would end one that
// has no handler, and does nothing otherwise. Nothing is ever blocked.
#include <signal.h>
struct sigaction {
    void (*sa_handler)(int signal);
    sigset_t sa_mask;
    int sa_flags;
};
#define SA_RESTART  0x10000000
#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
int sigaction(int signal, const struct sigaction *action, struct sigaction *before);
int sigemptyset(sigset_t *set);
int sigfillset(sigset_t *set);
int sigaddset(sigset_t *set, int signal);
int sigdelset(sigset_t *set, int signal);
int sigprocmask(int how, const sigset_t *set, sigset_t *before);
int sigsuspend(const sigset_t *set);
