/* The backend for C that edgeq generated; eq_model_table.c, made with it, describes the model. */
#include "eq_backend.h"

#include <stdlib.h>
#include <string.h>

#include "eq_marks.h"
#include "eq_model_table.h"

static double spent_us[EQ_MODEL_OPS + 1];
static double begun_us;
static int running = EQ_MODEL_OPS;
static struct eq_op_time times[EQ_MODEL_OPS + 1];
int eq_marking = 0;

void eq_mark(int op)
{
    /* An op inside of a loop is there once a turn. */
    const double now_us = eq_now_us();
    spent_us[running] += now_us - begun_us;
    running = op;
    begun_us = now_us;
}

int eq_backend_load(const struct eq_options *options)
{
    (void)options;
    return 0;
}

const char *eq_backend_error(void)
{
    return "";
}

const char *eq_backend_version(void)
{
    return "generated";
}

int eq_backend_inputs(void)
{
    return EQ_MODEL_INPUTS;
}

int eq_backend_outputs(void)
{
    return EQ_MODEL_OUTPUTS;
}

const struct eq_tensor *eq_backend_input(int k)
{
    return &eq_model_inputs[k];
}

const struct eq_tensor *eq_backend_output(int k)
{
    return &eq_model_outputs[k];
}

int eq_backend_write(int k, const void *data)
{
    memcpy(eq_model_input(k), data, eq_model_inputs[k].bytes);
    return 0;
}

int eq_backend_read(int k, void *data)
{
    memcpy(data, eq_model_output(k), eq_model_outputs[k].bytes);
    return 0;
}

int eq_backend_invoke(void)
{
    eq_model_invoke();
    return 0;
}

int eq_backend_op_times(int runs, const struct eq_op_time **rows)
{
    static double *samples;
    free(samples);
    samples = calloc((size_t)runs * (EQ_MODEL_OPS + 1u), sizeof *samples);
    if (samples == NULL) {
        return -1;
    }
    for (int op = 0; op < EQ_MODEL_OPS; op++) {
        times[op] = (struct eq_op_time){eq_model_op_indices[op], 0, eq_model_op_names[op],
                                        &samples[(size_t)op * (size_t)runs]};
    }
    eq_marking = 1;
    for (int run = 0; run < runs; run++) {
        memset(spent_us, 0, sizeof(spent_us));
        eq_model_invoke();
        for (int op = 0; op < EQ_MODEL_OPS; op++) {
            times[op].us[run] = spent_us[op];
        }
    }
    eq_marking = 0;
    *rows = times;
    return EQ_MODEL_OPS;
}
