#define _GNU_SOURCE
#include "eq_worker.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "eq_backend.h"
#include "eq_text.h"

#define STEADY_WITHIN 0.03 /* two windows' medians differ by less: warm */
#define WARMUP_LIMIT_US 3e6
#define WARMUP_WINDOW_US 1e5
#define REPORT_EVERY_US 5e5
enum { FEWEST_RUNS = 5, FEWEST_IN_WINDOW = 3, MOST_IN_WINDOW = 4096, MOST_IN_REPORT = 8192 };

struct samples {
    double us[MOST_IN_REPORT];
    int count;
};

static struct eq_text answer;
static struct eq_text argument;
static struct samples samples;

double eq_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double cpu_seconds(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double peak_rss_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kilobytes = 0.0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kilobytes = strtod(line + 6, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kilobytes * 1024.0;
}

static void begin(const char *event, const char *command)
{
    eq_text_clear(&answer);
    eq_text_add(&answer, "{\"event\":\"%s\",\"id\":%.0f", event, eq_json_number(command, "id", 0));
}

static void end(int answers)
{
    eq_text_add(&answer, "}\n");
    if (eq_text_send(&answer, answers) != 0) {
        _exit(1); /* the supervisor has gone */
    }
}

static void fail(const char *command, const char *kind, const char *text, int answers)
{
    begin("error", command);
    eq_text_add(&answer, ",\"kind\":\"%s\",\"text\":", kind);
    eq_text_quoted(&answer, text);
    end(answers);
}

/* Out of memory should end this process, not the user's other work; and never outlive us. */
static void offer_to_be_killed_first(void)
{
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t written = write(file, "1000", 4);
        (void)written;
        (void)close(file);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Stays on the cores of a list of numbers with commas; -1 if it may not. */
static int keep_to_cores(const char *cores)
{
    cpu_set_t wanted, kept;
    CPU_ZERO(&wanted);
    CPU_ZERO(&kept);
    for (const char *at = cores; *at != '\0';) {
        char *next = NULL;
        unsigned long core = strtoul(at, &next, 10);
        if (next == at || core >= CPU_SETSIZE) {
            return -1;
        }
        CPU_SET(core, &wanted);
        at = *next == ',' ? next + 1 : next;
    }
    return sched_setaffinity(0, sizeof wanted, &wanted) != 0 ||
                   sched_getaffinity(0, sizeof kept, &kept) != 0 ||
                   memcmp(&wanted, &kept, sizeof kept) != 0
               ? -1
               : 0;
}

static void add_tensors(const char *kind, int count, const struct eq_tensor *(*get)(int))
{
    eq_text_add(&answer, ",\"%s_dtypes\":[", kind);
    for (int k = 0; k < count; k++) {
        eq_text_add(&answer, "%s\"%s\"", k > 0 ? "," : "", get(k)->dtype);
    }
    eq_text_add(&answer, "],\"%s_shapes\":[", kind);
    for (int k = 0; k < count; k++) {
        eq_text_add(&answer, "%s[", k > 0 ? "," : "");
        for (int d = 0; d < get(k)->rank; d++) {
            eq_text_add(&answer, "%s%d", d > 0 ? "," : "", get(k)->shape[d]);
        }
        eq_text_add(&answer, "]");
    }
    eq_text_add(&answer, "]");
}

static void add_affinity(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof set, &set);
    eq_text_add(&answer, ",\"affinity\":[");
    const char *comma = "";
    for (unsigned core = 0; core < CPU_SETSIZE; core++) {
        if (CPU_ISSET(core, &set)) {
            eq_text_add(&answer, "%s%u", comma, core);
            comma = ",";
        }
    }
    eq_text_add(&answer, "]");
}

static int load(const char *command, int answers)
{
    static struct eq_text model, library, delegate;
    eq_json_text(command, "model", &model);
    eq_json_text(command, "library", &library);
    eq_json_text(command, "delegate", &delegate);
    eq_json_text(command, "cpu", &argument);
    if (argument.length > 0 && keep_to_cores(argument.data) != 0) {
        fail(command, "load", "the process may not stay on these cores", answers);
        return 0;
    }
    struct eq_options options = {model.data, library.data, delegate.data,
                                 (int)eq_json_number(command, "threads", 1),
                                 (int)eq_json_number(command, "profiling", 0)};
    double start = eq_now_us();
    if (eq_backend_load(&options) != 0) {
        fail(command, "load", eq_backend_error(), answers);
        return 0;
    }
    begin("loaded", command);
    eq_text_add(&answer, ",\"load_us\":%.3f,\"runtime_version\":\"%s\"", eq_now_us() - start,
                eq_backend_version());
    eq_text_add(&answer, ",\"delegate\":");
    eq_text_quoted(&answer, delegate.data);
    add_tensors("input", eq_backend_inputs(), eq_backend_input);
    add_tensors("output", eq_backend_outputs(), eq_backend_output);
    eq_text_add(&answer, ",\"peak_rss_bytes\":%.0f", peak_rss_bytes());
    add_affinity();
    end(answers);
    return 1;
}

static size_t input_bytes(void)
{
    size_t total = 0;
    for (int k = 0; k < eq_backend_inputs(); k++) {
        total += eq_backend_input(k)->bytes;
    }
    return total;
}

static int feed(const char *data)
{
    for (int k = 0; k < eq_backend_inputs(); k++) {
        if (eq_backend_write(k, data) != 0) {
            return -1;
        }
        data += eq_backend_input(k)->bytes;
    }
    return 0;
}

/* Adds the bytes of every output to `into`. */
static int collect(struct eq_text *into)
{
    static struct eq_text buffer;
    for (int k = 0; k < eq_backend_outputs(); k++) {
        size_t bytes = eq_backend_output(k)->bytes;
        eq_text_clear(&buffer);
        while (buffer.length < bytes) { /* make room, once per tensor size */
            static const char ZEROS[256];
            size_t missing = bytes - buffer.length;
            eq_text_bytes(&buffer, ZEROS, missing < sizeof ZEROS ? missing : sizeof ZEROS);
        }
        if (eq_backend_read(k, buffer.data) != 0) {
            return -1;
        }
        eq_text_bytes(into, buffer.data, bytes);
    }
    return 0;
}

static int call_with(const char *data, struct eq_text *into)
{
    return feed(data) != 0 || eq_backend_invoke() != 0 || collect(into) != 0 ? -1 : 0;
}

/* Decodes `data` into `argument`; -1 with an answer sent if it is not `calls` inputs long. */
static int take_data(const char *command, size_t calls, int answers)
{
    eq_json_text(command, "data", &argument);
    if (eq_base64_decode(argument.data) == calls * input_bytes()) {
        return 0;
    }
    fail(command, "data", "the input data has the wrong length", answers);
    return -1;
}

static void run(const char *command, int answers)
{
    static struct eq_text out;
    size_t calls = (size_t)eq_json_number(command, "calls", 0);
    if (take_data(command, calls, answers) != 0) {
        return;
    }
    eq_text_clear(&out);
    for (size_t i = 0; i < calls; i++) {
        if (call_with(argument.data + i * input_bytes(), &out) != 0) {
            fail(command, "run", eq_backend_error(), answers);
            return;
        }
    }
    begin("outputs", command);
    eq_text_add(&answer, ",\"data\":\"");
    eq_text_base64(&answer, (const unsigned char *)out.data, out.length);
    eq_text_add(&answer, "\"");
    end(answers);
}

static double timed(void)
{
    double start = eq_now_us();
    (void)eq_backend_invoke(); /* it has worked before with this very input */
    return eq_now_us() - start;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Calls made before the timed part: `runs`, or until two windows agree. */
static long warm_up(double runs)
{
    long count = 0;
    if (runs >= 0) {
        for (; (double)count < runs; count++) {
            (void)timed();
        }
        return count;
    }
    static double window[MOST_IN_WINDOW];
    double before = 0.0;
    double limit = eq_now_us() + WARMUP_LIMIT_US;
    while (eq_now_us() < limit) {
        size_t made = 0;
        double window_end = eq_now_us() + WARMUP_WINDOW_US;
        while (made < MOST_IN_WINDOW && (made < FEWEST_IN_WINDOW || eq_now_us() < window_end)) {
            window[made++] = timed();
        }
        count += (long)made;
        qsort(window, made, sizeof window[0], ascending);
        double median = window[made / 2u];
        if (fabs(median - before) <= STEADY_WITHIN * median) {
            break;
        }
        before = median;
    }
    return count;
}

static void send_samples(const char *command, int answers)
{
    begin("samples", command);
    eq_text_add(&answer, ",\"us\":[");
    for (int i = 0; i < samples.count; i++) {
        eq_text_add(&answer, "%s%.3f", i > 0 ? "," : "", samples.us[i]);
    }
    eq_text_add(&answer, "]");
    end(answers);
    samples.count = 0;
}

static void sleep_until(double us)
{
    double left = us - eq_now_us();
    if (left > 0) {
        struct timespec pause = {(time_t)(left / 1e6), (long)(fmod(left, 1e6) * 1e3)};
        (void)nanosleep(&pause, NULL);
    }
}

/* The timed part: `runs` calls (0: any number) within `seconds` (-1: as long as they take).
 * Samples leave in parcels. */
static double timed_part(const char *command, int answers)
{
    double runs = eq_json_number(command, "runs", 0);
    double hertz = eq_json_number(command, "pace_hz", 0);
    double start = eq_now_us();
    double seconds = eq_json_number(command, "seconds", 2);
    double fewest = runs > 0 ? 1 : FEWEST_RUNS;
    double next_report = start + REPORT_EVERY_US;
    int enough = 0;
    for (double done = 0; !enough;) {
        if (hertz > 0) {
            sleep_until(start + done / hertz * 1e6);
        }
        samples.us[samples.count++] = timed();
        done += 1;
        double now = eq_now_us();
        int over = seconds >= 0 && now >= start + seconds * 1e6 && done >= fewest;
        enough = over || (runs > 0 && done >= runs);
        if (enough || now >= next_report || samples.count == MOST_IN_REPORT) {
            send_samples(command, answers);
            next_report = now + REPORT_EVERY_US;
        }
    }
    return (eq_now_us() - start) / 1e6;
}

static void measure(const char *command, int answers)
{
    static struct eq_text out;
    if (take_data(command, 1, answers) != 0) {
        return;
    }
    if (feed(argument.data) != 0) {
        fail(command, "measure", eq_backend_error(), answers);
        return;
    }
    double cpu_before = cpu_seconds(); /* between the same beats: what is not ours is others' */
    double start = eq_now_us();
    if (eq_backend_invoke() != 0) {
        fail(command, "measure", eq_backend_error(), answers);
        return;
    }
    double first = eq_now_us() - start;
    eq_text_clear(&out);
    if (collect(&out) != 0) { /* of the first call: a model that remembers gives others later */
        fail(command, "measure", eq_backend_error(), answers);
        return;
    }
    long warmup = warm_up(eq_json_number(command, "warmup", -1));
    double elapsed = timed_part(command, answers);
    double cpu = cpu_seconds() - cpu_before;
    begin("measured", command);
    eq_text_add(&answer, ",\"first_us\":%.3f,\"warmup\":%ld,\"elapsed_s\":%.6f,\"cpu_s\":%.6f",
                first, warmup, elapsed, cpu);
    eq_text_add(&answer, ",\"peak_rss_bytes\":%.0f,\"data\":\"", peak_rss_bytes());
    eq_text_base64(&answer, (const unsigned char *)out.data, out.length);
    eq_text_add(&answer, "\"");
    end(answers);
}

static void ops(const char *command, int answers)
{
    if (take_data(command, 1, answers) != 0) {
        return;
    }
    const struct eq_op_time *rows = NULL;
    int count = -1;
    int runs = (int)eq_json_number(command, "runs", 10);
    int ready = feed(argument.data);
    for (int warm = 0; warm < 3 && ready == 0; warm++) {
        ready = eq_backend_invoke();
    }
    if (ready == 0 && runs > 0) {
        count = eq_backend_op_times(runs, &rows);
    }
    if (count < 0) {
        fail(command, "ops", eq_backend_error(), answers);
        return;
    }
    begin("profiled", command);
    eq_text_add(&answer, ",\"index\":[");
    for (int i = 0; i < count; i++) {
        eq_text_add(&answer, "%s%d", i > 0 ? "," : "", rows[i].index);
    }
    eq_text_add(&answer, "],\"op\":[");
    for (int i = 0; i < count; i++) {
        eq_text_add(&answer, "%s", i > 0 ? "," : "");
        eq_text_quoted(&answer, rows[i].name);
    }
    eq_text_add(&answer, "],\"delegated\":[");
    for (int i = 0; i < count; i++) {
        eq_text_add(&answer, "%s%s", i > 0 ? "," : "", rows[i].delegated ? "true" : "false");
    }
    eq_text_add(&answer, "],\"us\":[");
    for (int i = 0; i < count; i++) {
        eq_text_add(&answer, "%s", i > 0 ? ",[" : "[");
        for (int run = 0; run < runs; run++) {
            eq_text_add(&answer, "%s%.3f", run > 0 ? "," : "", rows[i].us[run]);
        }
        eq_text_add(&answer, "]");
    }
    eq_text_add(&answer, "]");
    end(answers);
}

void eq_worker(int commands, int answers)
{
    static struct eq_text verb;
    FILE *lines = fdopen(commands, "r");
    char *line = NULL;
    size_t room = 0;
    int loaded = 0;
    offer_to_be_killed_first();
    while (lines != NULL && getline(&line, &room, lines) > 0) {
        eq_json_text(line, "do", &verb);
        if (strcmp(verb.data, "load") == 0) {
            loaded = load(line, answers);
        } else if (!loaded) {
            fail(line, "state", "no model is loaded", answers);
        } else if (strcmp(verb.data, "run") == 0) {
            run(line, answers);
        } else if (strcmp(verb.data, "measure") == 0) {
            measure(line, answers);
        } else if (strcmp(verb.data, "ops") == 0) {
            ops(line, answers);
        }
    }
    free(line);
}
