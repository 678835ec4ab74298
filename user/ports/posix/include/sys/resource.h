#pragma once
// What processes have used, of which only the time is known, and how nice they are to others.
#include <sys/time.h>
#include <sys/types.h>
struct rusage {
    struct timeval ru_utime, ru_stime;
    long ru_maxrss, ru_ixrss, ru_idrss, ru_isrss, ru_minflt, ru_majflt, ru_nswap;
    long ru_inblock, ru_oublock, ru_msgsnd, ru_msgrcv, ru_nsignals, ru_nvcsw, ru_nivcsw;
};
#define PRIO_PROCESS 0
int getpriority(int which, id_t who);
int setpriority(int which, id_t who, int niceness);
