/* The backend for libLiteRt.so, loaded at run time through its C API.
 *
 * Source: google-ai-edge/LiteRT, the headers in litert/c of release 2.3.
 */
#define _GNU_SOURCE
#include "eq_backend.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_TENSORS = 64,
    MOST_OPS = 4096,
    CPU_ACCELERATOR = 1,
    LOCK_READ = 0,
    LOCK_WRITE = 1,
    OPERATOR_EVENT = 2,
    DELEGATE_OPERATOR_EVENT = 8
};

typedef void *handle;

struct layout {
    unsigned int rank : 7;
    unsigned int has_strides : 1;
    int32_t dimensions[EQ_MOST_DIMENSIONS];
    uint32_t strides[EQ_MOST_DIMENSIONS];
};

struct tensor_type {
    int element_type;
    struct layout layout;
};

struct memory_use {
    size_t heap, mapped, in_use;
};

struct event {
    const char *tag;
    int type;
    uint64_t start_us, elapsed_us;
    struct memory_use before, after;
    uint64_t index, extra;
    int source;
};

static const struct {
    int code;
    size_t bytes;
    const char *name;
} ELEMENT_TYPES[] = {
    {1, 4, "float32"},  {2, 4, "int32"},   {3, 1, "uint8"},   {4, 8, "int64"},
    {6, 1, "bool"},     {7, 2, "int16"},   {9, 1, "int8"},    {10, 2, "float16"},
    {11, 8, "float64"}, {16, 4, "uint32"}, {17, 2, "uint16"},
};

struct port {
    const char *kind; /* "Input" or "Output", as in the names of functions */
    int count;
    handle buffers[MOST_TENSORS];  /* in the order of the subgraph */
    handle by_place[MOST_TENSORS]; /* the same ones in the order of the signature */
    handle met[MOST_TENSORS];      /* their tensors */
    struct eq_tensor tensors[MOST_TENSORS];
};

static struct port inputs = {.kind = "Input"};
static struct port outputs = {.kind = "Output"};
static handle library, environment, model, compiled, signature;
static struct eq_op_time times[MOST_OPS];
static char failure[200];

/* A function of the library as any type of function: ISO C has no cast from void * to one. */
#define LOOK_UP(name, pointer) look_up((name), &(pointer), sizeof(pointer))

static int look_up(const char *name, void *pointer, size_t size)
{
    void *found = dlsym(library, name);
    memcpy(pointer, &found, size);
    if (found == NULL) {
        (void)snprintf(failure, sizeof failure, "libLiteRt.so has no %s", name);
        return -1;
    }
    return 0;
}

static int check(const char *name, int status)
{
    if (status != 0) {
        (void)snprintf(failure, sizeof failure, "%s failed with status %d", name, status);
        return -1;
    }
    return 0;
}

/* Most functions take some handles or numbers and give one handle; the shapes of those calls. */
static int call_p(const char *name, handle a)
{
    int (*function)(handle);
    return LOOK_UP(name, function) != 0 ? -1 : check(name, function(a));
}

static int call_pp(const char *name, handle a, void *b)
{
    int (*function)(handle, void *);
    return LOOK_UP(name, function) != 0 ? -1 : check(name, function(a, b));
}

static int call_pzp(const char *name, handle a, size_t b, void *c)
{
    int (*function)(handle, size_t, void *);
    return LOOK_UP(name, function) != 0 ? -1 : check(name, function(a, b, c));
}

static int call_ppp(const char *name, handle a, const void *b, void *c)
{
    int (*function)(handle, const void *, void *);
    return LOOK_UP(name, function) != 0 ? -1 : check(name, function(a, b, c));
}

static int call_pppp(const char *name, handle a, const void *b, handle c, void *d)
{
    int (*function)(handle, const void *, handle, void *);
    return LOOK_UP(name, function) != 0 ? -1 : check(name, function(a, b, c, d));
}

static int call_pzzp(const char *name, handle a, size_t b, size_t c, void *d)
{
    int (*function)(handle, size_t, size_t, void *);
    return LOOK_UP(name, function) != 0 ? -1 : check(name, function(a, b, c, d));
}

static void keep(void *payload)
{
    (void)payload; /* static memory: there is nothing to free */
}

static int add_options(handle options, const char *identifier, const char *toml)
{
    int (*create)(const char *, const void *, void (*)(void *), handle *);
    handle opaque = NULL;
    if (LOOK_UP("LiteRtCreateOpaqueOptions", create) != 0 ||
        check("LiteRtCreateOpaqueOptions", create(identifier, toml, keep, &opaque)) != 0) {
        return -1;
    }
    return call_pp("LiteRtAddOpaqueOptions", options, opaque);
}

static int make_options(const struct eq_options *wanted, handle *options)
{
    static char toml[100];
    int (*accelerate)(handle, int);
    const char *mode = strcmp(wanted->delegate, "none") == 0        ? "builtin"
                       : strcmp(wanted->delegate, "reference") == 0 ? "reference"
                                                                    : "";
    if (call_p("LiteRtCreateOptions", options) != 0 ||
        LOOK_UP("LiteRtSetOptionsHardwareAccelerators", accelerate) != 0 ||
        check("LiteRtSetOptionsHardwareAccelerators", accelerate(*options, CPU_ACCELERATOR)) != 0) {
        return -1;
    }
    int length = snprintf(toml, sizeof toml, "num_threads = %d\n", wanted->threads);
    if (mode[0] != '\0') {
        (void)snprintf(toml + length, sizeof toml - (size_t)length, "kernel_mode = \"%s\"\n", mode);
    }
    if (add_options(*options, "xnnpack", toml) != 0) {
        return -1;
    }
    return wanted->profiling
               ? add_options(*options, "runtime_options_string", "enable_profiling = true\n")
               : 0;
}

/* Axes of unknown size are taken as 1, as edgeq.model.graph reads them. */
static int describe(struct tensor_type *type, struct eq_tensor *tensor)
{
    for (unsigned d = 0; d < type->layout.rank && d < EQ_MOST_DIMENSIONS; d++) {
        if (type->layout.dimensions[d] < 0) {
            type->layout.dimensions[d] = 1;
        }
    }
    for (size_t i = 0; i < sizeof ELEMENT_TYPES / sizeof ELEMENT_TYPES[0]; i++) {
        if (ELEMENT_TYPES[i].code != type->element_type) {
            continue;
        }
        tensor->dtype = ELEMENT_TYPES[i].name;
        tensor->bytes = ELEMENT_TYPES[i].bytes;
        tensor->rank = (int)type->layout.rank;
        for (int d = 0; d < tensor->rank && d < EQ_MOST_DIMENSIONS; d++) {
            tensor->shape[d] = type->layout.dimensions[d];
            tensor->bytes *= (size_t)type->layout.dimensions[d];
        }
        return 0;
    }
    (void)snprintf(failure, sizeof failure, "element type %d is not supported", type->element_type);
    return -1;
}

/* The place in the signature of the subgraph's tensor `k`: a signature has its own order. */
static int place_in_signature(const struct port *port, handle subgraph, int k)
{
    char name[64];
    handle wanted = NULL;
    (void)snprintf(name, sizeof name, "LiteRtGetSubgraph%s", port->kind);
    if (call_pzp(name, subgraph, (size_t)k, &wanted) != 0) {
        return -1;
    }
    for (int place = 0; place < port->count; place++) {
        if (port->met[place] == wanted) {
            return place;
        }
    }
    (void)snprintf(failure, sizeof failure, "the signature lacks an %s", port->kind);
    return -1;
}

/* The buffer of a tensor that has been met before, or NULL: it may have two names, or be an input
 * and an output, and LiteRT knows one buffer of each. */
static handle known_buffer(const struct port *port, handle tensor)
{
    for (int place = 0; place < port->count; place++) {
        if (port->met[place] == tensor) {
            return port->by_place[place];
        }
    }
    return NULL;
}

static int open_buffer(struct port *port, int place, handle tensor, struct tensor_type *type)
{
    char name[64];
    handle requirements = NULL;
    handle *buffer = &port->by_place[place];
    *buffer = known_buffer(&inputs, tensor);
    *buffer = *buffer != NULL ? *buffer : known_buffer(&outputs, tensor);
    port->met[place] = tensor;
    (void)snprintf(name, sizeof name, "LiteRtGetCompiledModel%sBufferRequirements", port->kind);
    return *buffer == NULL && (call_pzzp(name, compiled, 0, (size_t)place, &requirements) != 0 ||
                               call_pppp("LiteRtCreateManagedTensorBufferFromRequirements",
                                         environment, type, requirements, buffer) != 0)
               ? -1
               : 0;
}

static int open_port(struct port *port, handle subgraph)
{
    static struct eq_tensor of_place[MOST_TENSORS];
    char name[64];
    size_t count = 0;
    (void)snprintf(name, sizeof name, "LiteRtGetNumSignature%ss", port->kind);
    if (call_pp(name, signature, &count) != 0) {
        return -1;
    }
    if (count > MOST_TENSORS) {
        (void)snprintf(failure, sizeof failure, "more than %d tensors", MOST_TENSORS);
        return -1;
    }
    port->count = (int)count;
    (void)snprintf(name, sizeof name, "LiteRtGetSignature%sTensorByIndex", port->kind);
    for (int place = 0; place < port->count; place++) {
        struct tensor_type type;
        handle tensor = NULL;
        memset(&type, 0, sizeof type);
        if (call_pzp(name, signature, (size_t)place, &tensor) != 0 ||
            call_pp("LiteRtGetRankedTensorType", tensor, &type) != 0 ||
            describe(&type, &of_place[place]) != 0 ||
            open_buffer(port, place, tensor, &type) != 0) {
            return -1;
        }
    }
    for (int k = 0; k < port->count; k++) {
        int place = place_in_signature(port, subgraph, k);
        if (place < 0) {
            return -1;
        }
        port->tensors[k] = of_place[place];
        port->buffers[k] = port->by_place[place];
    }
    return 0;
}

int eq_backend_load(const struct eq_options *options)
{
    int (*create_environment)(int, const void *, handle *);
    handle settings = NULL;
    handle subgraph = NULL;
    library = dlopen(options->library, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)snprintf(failure, sizeof failure, "%s", dlerror());
        return -1;
    }
    if (LOOK_UP("LiteRtCreateEnvironment", create_environment) != 0 ||
        check("LiteRtCreateEnvironment", create_environment(0, NULL, &environment)) != 0 ||
        call_ppp("LiteRtCreateModelFromFile", environment, options->model, &model) != 0 ||
        make_options(options, &settings) != 0 ||
        call_pppp("LiteRtCreateCompiledModel", environment, model, settings, &compiled) != 0 ||
        call_pzp("LiteRtGetModelSignature", model, 0, &signature) != 0 ||
        call_pp("LiteRtGetSignatureSubgraph", signature, &subgraph) != 0) {
        return -1;
    }
    return open_port(&inputs, subgraph) != 0 || open_port(&outputs, subgraph) != 0 ? -1 : 0;
}

const char *eq_backend_error(void)
{
    return failure;
}

const char *eq_backend_version(void)
{
    return "libLiteRt.so";
}

int eq_backend_inputs(void)
{
    return inputs.count;
}

int eq_backend_outputs(void)
{
    return outputs.count;
}

const struct eq_tensor *eq_backend_input(int k)
{
    return &inputs.tensors[k];
}

const struct eq_tensor *eq_backend_output(int k)
{
    return &outputs.tensors[k];
}

static int lock_buffer(handle buffer, int mode, void *address)
{
    static int (*function)(handle, void *, int);
    if (function == NULL && LOOK_UP("LiteRtLockTensorBuffer", function) != 0) {
        return -1;
    }
    return check("LiteRtLockTensorBuffer", function(buffer, address, mode));
}

int eq_backend_write(int k, const void *data)
{
    void *address = NULL;
    if (lock_buffer(inputs.buffers[k], LOCK_WRITE, &address) != 0) {
        return -1;
    }
    memcpy(address, data, inputs.tensors[k].bytes);
    return call_p("LiteRtUnlockTensorBuffer", inputs.buffers[k]);
}

int eq_backend_read(int k, void *data)
{
    void *address = NULL;
    if (lock_buffer(outputs.buffers[k], LOCK_READ, &address) != 0) {
        return -1;
    }
    memcpy(data, address, outputs.tensors[k].bytes);
    return call_p("LiteRtUnlockTensorBuffer", outputs.buffers[k]);
}

int eq_backend_invoke(void)
{
    static int (*function)(handle, size_t, size_t, handle *, size_t, handle *);
    if (function == NULL && LOOK_UP("LiteRtRunCompiledModel", function) != 0) {
        return -1;
    }
    return check("LiteRtRunCompiledModel",
                 function(compiled, 0, (size_t)inputs.count, inputs.by_place, (size_t)outputs.count,
                          outputs.by_place));
}

/* One call with the profiler on; its events, which the caller frees, or NULL. */
static struct event *profiled_call(handle profiler, int *count)
{
    int (*get_events)(handle, int, struct event *);
    if (call_p("LiteRtStartProfiler", profiler) != 0 || eq_backend_invoke() != 0 ||
        call_p("LiteRtStopProfiler", profiler) != 0 ||
        call_pp("LiteRtGetNumProfilerEvents", profiler, count) != 0 ||
        LOOK_UP("LiteRtGetProfilerEvents", get_events) != 0) {
        return NULL;
    }
    struct event *events = calloc((size_t)*count + 1u, sizeof *events);
    if (events != NULL &&
        check("LiteRtGetProfilerEvents", get_events(profiler, *count, events)) != 0) {
        free(events);
        return NULL;
    }
    return events;
}

/* Moves the events of ops to the front; what runs inside of an IF or WHILE, whose subgraph `extra`
 * is, is in that op's own time. */
static int keep_ops(struct event *events, int count)
{
    int ops = 0;
    for (int i = 0; i < count; i++) {
        int of_op = events[i].type == OPERATOR_EVENT || events[i].type == DELEGATE_OPERATOR_EVENT;
        if (of_op && events[i].extra == 0 && ops < MOST_OPS) {
            events[ops++] = events[i];
        }
    }
    return ops;
}

/* Rows are told apart by their position: a delegate numbers its ops anew in every part. */
static int note(const struct event *events, int ops, int run, int runs)
{
    static double *samples;
    static int known;
    if (run == 0) {
        free(samples);
        samples = calloc((size_t)ops * (size_t)runs + 1u, sizeof *samples);
        known = ops;
    }
    if (samples == NULL || ops != known) {
        (void)snprintf(failure, sizeof failure, "two calls of this model ran different ops");
        return -1;
    }
    for (int op = 0; op < ops; op++) {
        times[op] = (struct eq_op_time){
            (int)events[op].index, events[op].type == DELEGATE_OPERATOR_EVENT,
            events[op].tag != NULL ? events[op].tag : "", &samples[(size_t)op * (size_t)runs]};
        times[op].us[run] = (double)events[op].elapsed_us;
    }
    return 0;
}

int eq_backend_op_times(int runs, const struct eq_op_time **rows)
{
    handle profiler = NULL;
    int ops = 0;
    if (call_pp("LiteRtCompiledModelGetProfiler", compiled, &profiler) != 0) {
        return -1;
    }
    for (int run = 0; run < runs; run++) {
        int count = 0;
        struct event *events = profiled_call(profiler, &count);
        if (events == NULL) {
            return -1;
        }
        ops = keep_ops(events, count);
        int status = note(events, ops, run, runs);
        free(events); /* the names belong to the profiler, which stays */
        if (status != 0) {
            return -1;
        }
    }
    *rows = times;
    return ops;
}
