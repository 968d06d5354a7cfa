/* The process at the end of the link: the same as agent/supervisor.py, where there is no Python. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "eq_backend.h"
#include "eq_text.h"
#include "eq_worker.h"

enum {
    SILENCE_S = 6,
    TICK_US = 500000,
    LOCK_POLL_MS = 100,
    ERROR_TAIL = 4000,
    WATCH_BYTES = 16384
};
#define BEAT_US 1e6
static const char LOCK_NAME[] = "\0edgeq-measures"; /* freed by the kernel with its owner */

struct worker {
    volatile pid_t pid; /* 0: none; read by the signal handler */
    int commands, answers, errors;
    struct eq_text line; /* what came of the next answer so far */
    char tail[ERROR_TAIL + 1];
    size_t tail_length;
};

static struct worker worker;
static struct eq_text host_line; /* what came of the next command so far */
static struct eq_text waiting;   /* a command that waits for the lock; empty if none does */
static struct eq_text watched;   /* sources, one a line */
static struct eq_text out, scratch;
static double waits_until_us;
static const char *death_kind = "state"; /* how the last worker ended, for whoever asks next */
static int death_number;
static double current_id = -1; /* of a command that the worker has not answered yet */
static int lock = -1;
static long oom_kills_before;
static volatile sig_atomic_t silence_limit_s = SILENCE_S, silent_ticks;
static volatile int unread_before; /* bytes from the host that were not read a tick ago */

static void say(void)
{
    eq_text_add(&out, "}\n");
    if (eq_text_send(&out, 1) != 0) {
        exit(0); /* the host has gone; atexit ends the worker */
    }
}

static void say_error(double id, const char *kind, int number, const char *text)
{
    eq_text_add(&out,
                "{\"event\":\"error\",\"id\":%.0f,\"kind\":\"%s\",\"signal\":%d,\"text\":", id,
                kind, number);
    eq_text_quoted(&out, text);
    say();
}

static void read_source(const char *source, struct eq_text *into)
{
    char bytes[1024];
    int is_command = source[0] == '!';
    FILE *file = is_command ? popen(source + 1, "r") : fopen(source, "r");
    eq_text_clear(into);
    while (file != NULL && into->length < WATCH_BYTES) {
        size_t count = fread(bytes, 1, sizeof bytes, file);
        if (count == 0) {
            break;
        }
        eq_text_bytes(into, bytes, count);
    }
    if (file != NULL) {
        (void)(is_command ? pclose(file) : fclose(file));
    }
}

/* `begins`: whether a measurement begins now, so that what came before is no part of it. */
static void beat(int begins)
{
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    eq_text_add(&out, "{\"event\":\"beat\",\"begins\":%s", begins ? "true" : "false");
    eq_text_add(&out, ",\"monotonic_s\":%.6f,\"wall_s\":%.6f,\"texts\":[", eq_now_us() / 1e6,
                (double)wall.tv_sec + (double)wall.tv_nsec / 1e9);
    const char *comma = "";
    for (char *source = watched.data; source != NULL && *source != '\0';) {
        char *end = strchr(source, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        read_source(source, &scratch);
        eq_text_add(&out, "%s", comma);
        eq_text_quoted(&out, scratch.data);
        comma = ",";
        if (end != NULL) {
            *end = '\n';
        }
        source = end != NULL ? end + 1 : NULL;
    }
    eq_text_add(&out, "]");
    say();
}

static long oom_kills(void)
{
    read_source("/proc/vmstat", &scratch);
    const char *found = strstr(scratch.data, "\noom_kill ");
    return found != NULL ? strtol(found + 10, NULL, 10) : 0;
}

static socklen_t lock_address(struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, LOCK_NAME, sizeof LOCK_NAME - 1u);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof LOCK_NAME - 1u);
}

/* Whether this agent may use the device now. */
static int take_lock(void)
{
    struct sockaddr_un address;
    socklen_t length = lock_address(&address);
    if (lock >= 0) {
        return 1;
    }
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) {
        return 1; /* no such sockets here: nothing to hold */
    }
    if (bind(made, (struct sockaddr *)&address, length) != 0) {
        int taken = errno == EADDRINUSE;
        (void)close(made);
        return !taken;
    }
    (void)listen(made, 8);
    lock = made;
    return 1;
}

static void free_lock(void)
{
    if (lock >= 0) {
        (void)close(lock);
        lock = -1;
    }
}

static void say_busy(double id)
{
    struct sockaddr_un address;
    socklen_t length = lock_address(&address);
    struct ucred owner;
    socklen_t size = sizeof owner;
    char text[80] = "another process";
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0 && connect(probe, (struct sockaddr *)&address, length) == 0 &&
        getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0) {
        (void)snprintf(text, sizeof text, "process %ld of user %ld", (long)owner.pid,
                       (long)owner.uid);
    }
    if (probe >= 0) {
        (void)close(probe);
    }
    say_error(id, "busy", 0, text);
}

/* Ends the SSH server's process that serves this connection; a stalled link keeps it alive. */
static void kill_session(void)
{
    char path[40];
    char name[16] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", (long)getppid());
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file >= 0 ? read(file, name, sizeof name - 1u) : 0;
    if (count > 0 && (strncmp(name, "sshd", 4) == 0 || strncmp(name, "dropbear", 8) == 0)) {
        (void)kill(getppid(), SIGTERM);
    }
}

static void link_is_lost(int number)
{
    (void)number;
    if (worker.pid > 0) {
        (void)kill(worker.pid, SIGKILL);
        (void)waitpid(worker.pid, NULL, 0);
    }
    kill_session();
    _exit(1);
}

/* Gives up when nothing has come for too long. What came and was not read yet
 * counts, and time in which this process did not run does not: a device that is busy has not
 * lost its link. */
static void tick(int number)
{
    int unread = 0;
    (void)ioctl(0, FIONREAD, &unread);
    silent_ticks = unread > unread_before ? 0 : silent_ticks + 1;
    unread_before = unread;
    if (silent_ticks * (TICK_US / 1e6) >= silence_limit_s) {
        link_is_lost(number);
    }
}

/* Kills the worker, if there is one; its wait status. */
static int end_worker(void)
{
    int status = 0;
    if (worker.pid > 0) {
        (void)kill(worker.pid, SIGKILL);
        (void)waitpid(worker.pid, &status, 0);
        (void)close(worker.commands);
        (void)close(worker.answers);
        (void)close(worker.errors);
        worker.pid = 0;
    }
    return status;
}

static void end_worker_at_exit(void)
{
    (void)end_worker();
}

static void become_worker(const int to[2], const int from[2], const int errors[2])
{
    (void)signal(SIGALRM, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    free_lock(); /* the descriptor only: it is the supervisor's to hold */
    (void)close(to[1]);
    (void)close(from[0]);
    (void)close(errors[0]);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(null, 0);
    (void)dup2(errors[1], 1); /* libraries print; the protocol has a pipe of its own */
    (void)dup2(errors[1], 2);
    eq_worker(to[0], from[1]);
    _exit(0);
}

static int start_worker(void)
{
    int to[2], from[2], errors[2];
    (void)end_worker();
    if (pipe(to) != 0 || pipe(from) != 0 || pipe(errors) != 0) {
        return -1;
    }
    eq_text_clear(&worker.line);
    worker.tail_length = 0;
    pid_t pid = fork();
    if (pid == 0) {
        worker.pid = 0;
        become_worker(to, from, errors);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    (void)close(errors[1]);
    worker.commands = to[1];
    worker.answers = from[0];
    worker.errors = errors[0];
    worker.pid = pid > 0 ? pid : 0;
    return pid > 0 ? 0 : -1;
}

static ssize_t read_errors(void)
{
    char bytes[1024];
    ssize_t count = read(worker.errors, bytes, sizeof bytes);
    for (ssize_t i = 0; i < count; i++) {
        if (worker.tail_length == ERROR_TAIL) { /* keep the later half */
            memmove(worker.tail, worker.tail + ERROR_TAIL / 2, ERROR_TAIL / 2);
            worker.tail_length = ERROR_TAIL / 2;
        }
        worker.tail[worker.tail_length++] = bytes[i];
    }
    worker.tail[worker.tail_length] = '\0';
    return count;
}

/* Tells the host how the worker ended, and by whose hand. */
static void worker_died(void)
{
    while (read_errors() > 0) {
    }
    int status = end_worker();
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int exhausted = (number == SIGKILL && oom_kills() > oom_kills_before) ||
                    (WIFEXITED(status) && WEXITSTATUS(status) == ENOMEM);
    free_lock();
    death_kind = exhausted ? "memory" : "died";
    death_number = number;
    if (current_id >= 0) {
        say_error(current_id, death_kind, death_number, worker.tail);
    }
    current_id = -1;
}

/* Hands the command that waits to the worker, if nobody else measures on this device. */
static void start_waiting_command(void)
{
    if (waiting.length == 0) {
        return;
    }
    double id = eq_json_number(waiting.data, "id", 0);
    if (!take_lock()) {
        if (eq_now_us() >= waits_until_us) {
            say_busy(id);
            eq_text_clear(&waiting);
        }
        return;
    }
    eq_json_text(waiting.data, "do", &scratch);
    int measures = strcmp(scratch.data, "measure") == 0;
    if (strcmp(scratch.data, "load") == 0 && start_worker() != 0) {
        say_error(id, "died", 0, strerror(errno));
        eq_text_clear(&waiting);
        return;
    }
    if (worker.pid == 0) {
        say_error(id, death_kind, death_number, "no model is loaded");
        free_lock();
        eq_text_clear(&waiting);
        return;
    }
    current_id = id;
    if (measures) {
        beat(1); /* the state of the device just before */
    }
    eq_text_add(&waiting, "\n");
    if (eq_text_send(&waiting, worker.commands) != 0) {
        worker_died();
    }
    eq_text_clear(&waiting);
}

/* Acts on one command; 1 if it is the last. */
static int obey(const char *line)
{
    static struct eq_text verb;
    eq_json_text(line, "do", &verb);
    if (strcmp(verb.data, "end") == 0) {
        return 1;
    }
    if (strcmp(verb.data, "watch") == 0) {
        eq_json_text(line, "sources", &watched);
        beat(0);
    } else if (verb.length > 0 && strcmp(verb.data, "ping") != 0) {
        eq_text_clear(&waiting);
        eq_text_add(&waiting, "%s", line);
        waits_until_us = eq_now_us() + eq_json_number(line, "wait_s", 0) * 1e6;
        start_waiting_command();
    }
    return 0;
}

static int is_event(const char *line, const char *name)
{
    size_t length = strlen(name);
    return strncmp(line, "{\"event\":\"", 10) == 0 && strncmp(line + 10, name, length) == 0 &&
           line[10 + length] == '"';
}

/* Passes one answer of the worker on to the host. */
static void relay(const char *line)
{
    if (is_event(line, "measured")) {
        beat(0); /* the state of the device just after */
    }
    eq_text_add(&out, "%s\n", line);
    if (eq_text_send(&out, 1) != 0) {
        exit(0);
    }
    if (!is_event(line, "samples")) {
        current_id = -1;
        free_lock();
    }
}

/* Reads once, and hands every complete line to `use`; 0 to go on, 1 to stop, -1 at the end. */
static int read_lines(int descriptor, struct eq_text *partial, int (*use)(const char *))
{
    static char bytes[1 << 16];
    ssize_t count = read(descriptor, bytes, sizeof bytes);
    if (count <= 0) {
        return count < 0 && errno == EINTR ? 0 : -1;
    }
    for (char *at = bytes; at < bytes + count;) {
        char *end = memchr(at, '\n', (size_t)(bytes + count - at));
        eq_text_bytes(partial, at, (size_t)((end != NULL ? end : bytes + count) - at));
        if (end == NULL) {
            return 0;
        }
        int stop = use(partial->data);
        eq_text_clear(partial);
        if (stop) {
            return 1;
        }
        at = end + 1;
    }
    return 0;
}

static int relay_line(const char *line)
{
    relay(line);
    return 0;
}

static void serve(void)
{
    double next_beat = eq_now_us();
    for (;;) {
        if (eq_now_us() >= next_beat) {
            beat(0);
            next_beat = eq_now_us() + BEAT_US;
        }
        start_waiting_command();
        struct pollfd sources[3] = {{0, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
        if (worker.pid > 0) {
            sources[1].fd = worker.answers;
            sources[2].fd = worker.errors;
        }
        double pause = (next_beat - eq_now_us()) / 1e3;
        int timeout = waiting.length > 0 ? LOCK_POLL_MS : pause > 0 ? (int)pause + 1 : 0;
        if (poll(sources, 3, timeout) < 0) {
            continue;
        }
        if (sources[2].revents != 0) {
            (void)read_errors();
        }
        if (sources[1].revents != 0 && read_lines(worker.answers, &worker.line, relay_line) < 0) {
            worker_died();
        }
        if (sources[0].revents != 0) {
            silent_ticks = 0;
            unread_before = 0;
            if (read_lines(0, &host_line, obey) != 0) {
                return;
            }
        }
    }
}

int main(void)
{
    const char *limit = getenv("EDGEQ_SILENCE");
    const struct itimerval ticks = {{0, TICK_US}, {0, TICK_US}};
    if (limit != NULL && atoi(limit) > 0) {
        silence_limit_s = atoi(limit);
    }
    (void)signal(SIGALRM, tick);
    (void)signal(SIGTERM, link_is_lost);
    (void)signal(SIGHUP, link_is_lost);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setitimer(ITIMER_REAL, &ticks, NULL);
    (void)atexit(end_worker_at_exit);
    eq_text_clear(&host_line);
    eq_text_clear(&waiting);
    eq_text_clear(&watched);
    eq_text_clear(&out);
    oom_kills_before = oom_kills();
    eq_text_add(&out, "{\"event\":\"hello\",\"pid\":%ld,\"python\":\"\"", (long)getpid());
    say();
    serve();
    return 0;
}
