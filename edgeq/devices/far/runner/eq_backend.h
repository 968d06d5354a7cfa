/* What runs a model: eq_generated.c (C that edgeq made) or eq_litert.c (libLiteRt.so). */
#ifndef EQ_BACKEND_H
#define EQ_BACKEND_H

#include <stddef.h>

enum { EQ_MOST_DIMENSIONS = 8 };

struct eq_tensor {
    const char *dtype; /* numpy's name */
    int rank;
    int shape[EQ_MOST_DIMENSIONS];
    size_t bytes;
};

struct eq_options {
    const char *model;
    const char *library;
    const char *delegate;
    int threads;
    int profiling;
};

struct eq_op_time {
    int index;
    int delegated;
    const char *name;
    double *us; /* in each run */
};

/* Functions that can fail return 0, or -1 with eq_backend_error() set. */
int eq_backend_load(const struct eq_options *options);
const char *eq_backend_error(void);
const char *eq_backend_version(void);
int eq_backend_inputs(void);
int eq_backend_outputs(void);
const struct eq_tensor *eq_backend_input(int k);
const struct eq_tensor *eq_backend_output(int k);
int eq_backend_write(int k, const void *data);
int eq_backend_read(int k, void *data);
int eq_backend_invoke(void);
/* Times per op over `runs` calls, in order of execution; the number of rows, or -1. */
int eq_backend_op_times(int runs, const struct eq_op_time **rows);

double eq_now_us(void);

#endif
