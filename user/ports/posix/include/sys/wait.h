#pragma once
#include <sys/types.h>
#define WNOHANG        1
#define WUNTRACED      2
#define WEXITSTATUS(s) (((s) >> 8) & 0xff)
#define WTERMSIG(s)    ((s) & 0x7f)
#define WSTOPSIG(s)    WEXITSTATUS(s)
#define WIFEXITED(s)   (WTERMSIG(s) == 0)
#define WIFSIGNALED(s) (WTERMSIG(s) != 0)
#define WIFSTOPPED(s)  0
#define WCOREDUMP(s)   0
pid_t wait(int *status);
pid_t waitpid(pid_t process, int *status, int options);

struct rusage;
pid_t wait3(int *status, int options, struct rusage *usage);
pid_t wait4(pid_t process, int *status, int options, struct rusage *usage);
