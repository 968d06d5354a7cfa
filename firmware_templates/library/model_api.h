/* What wrappers in other languages need of {{ model.name }} besides {{ model.name }}.h: sizes at run time, class
 * names, and real numbers in and out. As there, each state is one caller's. */
#ifndef {{ model.name | upper }}_API_H
#define {{ model.name | upper }}_API_H

#include <stddef.h>

#include "{{ model.name }}.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a {{ model.name }}_state. One lies at a multiple of 16 bytes; before its first use it is set up. */
size_t {{ model.name }}_state_bytes(void);
void {{ model.name }}_setup({{ model.name }}_state *state);

/* Forget all calls so far; does nothing where the model has no state from call to call. */
void {{ model.name }}_restart({{ model.name }}_state *state);

/* The name of a class, in UTF-8, where the model's metadata has names; else NULL. */
const char *{{ model.name }}_label(int index);

/* Run a known input: 0 when each op gives the bytes that TensorFlow Lite Micro gave when this was
 * made, else the number of the first op that differs, from 1; -1 where no known input was put in. */
int {{ model.name }}_check({{ model.name }}_state *state);

/* Real numbers to the type of the tensor, rounded half away from zero and saturated, and back. */
{% for tensor in model.inputs %}
void {{ tensor.function }}_from_real({{ model.name }}_state *state, const float *values); /* {{ tensor.elements }} */
{% endfor %}
{% for tensor in model.outputs %}
void {{ tensor.function }}_to_real({{ model.name }}_state *state, float *values); /* {{ tensor.elements }} */
{% endfor %}

#ifdef __cplusplus
}
#endif

#endif
