// QEMU, or the kernel itself, as a child.
//
// Everything is handed over by descriptor: the boot archive (to QEMU as /proc/self/fd/N), the link
// as one end of a socket pair. So nothing has a name in a file system that could be left behind.
// The child is in a session of its own, out of reach of the terminal's signals, and the kernel
// kills it when its parent dies, however that happens. Until it has become the machine it runs in
// our memory (vfork), because copying our page tables would be the dearest part of starting it: it
// makes system calls only, and leaves the reason of a failure in `channels`.

#include "tools/lib/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/lib/report.h"

#define APPEND_BYTES 256 // the command line is one of ours
#define QEMU         "qemu-system-x86_64"
#define PATH_BYTES   4096

// The pairs between us (first) and the child (second).
struct channels {
    int link[2];
    int serial[2];
    int errors[2];
};

// How each kind of machine finds its kernel, and the program that is executed.
static const struct {
    const char *variable;
    const char *file;
    const char *script_file; // of the kernel that runs scripts; no variable names it
    int access;
    const char *program; // for messages
} kinds[] = {
    [MACHINE_QEMU] = {"KWAST_KERNEL", "kernel.elf", "spec.elf", R_OK, QEMU},
    [MACHINE_HOSTED] = {"KWAST_HOSTED", "kwast-hosted", "spec-hosted", X_OK, "kwast-hosted"},
};

bool program_beside(const char *name, char *out, usize size) {
    ssize_t len = readlink("/proc/self/exe", out, size - 1);
    out[len < 0 ? 0 : len] = '\0';
    char *slash = strrchr(out, '/');
    usize name_len = strlen(name) + 1;
    if (slash == NULL || (usize)(slash + 1 - out) + name_len > size) {
        report_error(name, "cannot find out where this program lies");
        return false;
    }
    memcpy(slash + 1, name, name_len);
    return true;
}

static bool kernel_path(const struct machine_config *config, char *out, usize size) {
    enum machine_kind kind = config->kind;
    const char *chosen = config->runs_scripts ? NULL : getenv(kinds[kind].variable);
    const char *file = config->runs_scripts ? kinds[kind].script_file : kinds[kind].file;
    if (chosen != NULL && strlen(chosen) >= size) {
        report_error(kinds[kind].variable, "too long");
        return false;
    }
    if (chosen != NULL && chosen[0] != '\0')
        memcpy(out, chosen, strlen(chosen) + 1);
    else if (!program_beside(file, out, size))
        return false;
    if (access(out, kinds[kind].access) == 0)
        return true;
    if (config->runs_scripts)
        report_error(out, "%s (the kernel that runs scripts is built by `make spec-machines`)",
                     strerror(errno));
    else
        report_error(out, "%s (the kernel is built by `make`; %s names another)", strerror(errno),
                     kinds[kind].variable);
    return false;
}

static bool channels_open(struct channels *channels) {
    memset(channels, -1, sizeof(*channels));
    bool fine = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channels->link) == 0 &&
                pipe2(channels->serial, O_CLOEXEC) == 0 && pipe2(channels->errors, O_CLOEXEC) == 0;
    if (!fine)
        report_error("machine", "%s", strerror(errno));
    return fine;
}

static void channels_close(struct channels *channels) {
    int *all = (int *)channels;
    for (usize i = 0; i < sizeof(*channels) / sizeof(int); i++) {
        if (all[i] >= 0)
            close(all[i]);
        all[i] = -1;
    }
}

static void become_qemu(const struct machine_config *config, const char *kernel, int link_fd) {
    char memory[32];
    char cpus[16];
    char link[64];
    char archive[64];
    // The link is a serial port of the device, and no console: QEMU drops what a console has to say
    // while the other end does not read. What the CPU lacks, the kernel finds out.
    static const char *const models[] = {
        [CPU_NATIVE] = "max",
        [CPU_AVX_ONLY] = "max,avx2=off,fma=off,bmi1=off,bmi2=off,abm=off",
        [CPU_BASELINE] = "max,avx=off,f16c=off,avx2=off,fma=off,bmi1=off,bmi2=off,abm=off",
    };
    snprintf(memory, sizeof(memory), "%lluM", (unsigned long long)(config->ram_bytes / MIB));
    snprintf(cpus, sizeof(cpus), "%u", config->cpus);
    snprintf(link, sizeof(link), "socket,id=link,fd=%d", link_fd);
    snprintf(archive, sizeof(archive), "/proc/self/fd/%d", config->archive);
    execlp(QEMU, QEMU, "-accel", "tcg", "-machine", "q35", "-cpu", models[config->cpu], "-m",
           memory, "-smp", cpus, "-nodefaults", "-no-user-config", "-display", "none",
           "-no-reboot",                                                               //
           "-chardev", "file,id=serial,path=/dev/stdout", "-serial", "chardev:serial", //
           "-chardev", link, "-device", "virtio-serial-pci,max_ports=2",               //
           "-device", "virtserialport,nr=1,chardev=link",                              //
           "-kernel", kernel, "-initrd", archive, "-append", config->append, NULL);
}

static void become_hosted(const struct machine_config *config, const char *kernel, int link_fd) {
    char memory[32];
    char cpus[16];
    char link[16];
    char archive[16];
    char append[APPEND_BYTES];
    snprintf(append, sizeof(append), "%s cpu=%s", config->append, cpu_level_name(config->cpu));
    snprintf(memory, sizeof(memory), "%llu", (unsigned long long)(config->ram_bytes / MIB));
    snprintf(cpus, sizeof(cpus), "%u", config->cpus);
    snprintf(link, sizeof(link), "%d", link_fd);
    snprintf(archive, sizeof(archive), "%d", config->archive);
    const char *symbols = config->symbols != NULL ? "--symbols" : NULL; // ends the list where NULL
    execl(kernel, "kwast-hosted", "--memory", memory, "--cpus", cpus, "--link", link, "--archive",
          archive, "--append", append, symbols, config->symbols, NULL);
}

// In the child, in our memory: becomes the machine, or leaves the reason in *error.
[[noreturn]] static void child_run(const struct machine_config *config, const char *kernel,
                                   const struct channels *channels, int parent,
                                   volatile int *error) {
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); // it died before the line above

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(channels->serial[1], STDOUT_FILENO);
    dup2(channels->errors[1], STDERR_FILENO);
    fcntl(channels->link[1], F_SETFD, 0);
    fcntl(config->archive, F_SETFD, 0);

    if (config->kind == MACHINE_QEMU)
        become_qemu(config, kernel, channels->link[1]);
    else
        become_hosted(config, kernel, channels->link[1]);
    *error = errno;
    _exit(127);
}

static int take(int *fd) {
    int taken = *fd;
    *fd = -1;
    fcntl(taken, F_SETFL, fcntl(taken, F_GETFL) | O_NONBLOCK);
    return taken;
}

bool machine_start(const struct machine_config *config, struct machine *out) {
    char kernel[PATH_BYTES];
    struct channels channels;
    if (!kernel_path(config, kernel, sizeof(kernel)))
        return false;
    if (!channels_open(&channels)) {
        channels_close(&channels);
        return false;
    }
    int parent = getpid();
    volatile int error = 0;
    int pid = vfork();
    if (pid == 0)
        child_run(config, kernel, &channels, parent, &error);
    if (pid < 0)
        error = errno;
    if (error != 0) {
        if (error == ENOENT && pid > 0 && config->kind == MACHINE_QEMU)
            report_error(QEMU, "not found; Debian's package is qemu-system-x86");
        else
            report_error(kinds[config->kind].program, "%s", strerror(error));
        if (pid > 0)
            waitpid(pid, NULL, 0);
        channels_close(&channels);
        return false;
    }
    *out = (struct machine){
        .pid = pid,
        .link = take(&channels.link[0]),
        .serial = take(&channels.serial[0]),
        .errors = take(&channels.errors[0]),
    };
    channels_close(&channels);
    return true;
}

void machine_pause(const struct machine *machine) {
    kill(machine->pid, SIGSTOP);
}

void machine_resume(const struct machine *machine) {
    kill(machine->pid, SIGCONT);
}

void machine_wait(const struct machine *machine, u32 timeout_ms) {
    siginfo_t info;
    for (u32 waited = 0; waited < timeout_ms; waited += 5) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)machine->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            info.si_pid != 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

void machine_end(struct machine *machine) {
    if (machine->pid <= 0)
        return;
    kill(machine->pid, SIGKILL);
    while (waitpid(machine->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(machine->link);
    close(machine->serial);
    close(machine->errors);
    *machine = (struct machine){.link = -1, .serial = -1, .errors = -1};
}
