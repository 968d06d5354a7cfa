#include "{{ model.name }}_api.h"

#include <string.h>

size_t {{ model.name }}_state_bytes(void)
{
    return sizeof({{ model.name }}_state);
}

void {{ model.name }}_setup({{ model.name }}_state *state)
{
    memset(state, 0, sizeof(*state));
    {{ model.name }}_restart(state);
}

void {{ model.name }}_restart({{ model.name }}_state *state)
{
{% if model.has_state %}
    {{ model.name }}_reset(state);
{% else %}
    (void)state;
{% endif %}
}

const char *{{ model.name }}_label(int index)
{
{% if model.stream and model.stream.decision %}
    static const char *const labels[] = {{ model.name | upper }}_EVENT_LABELS;
    return index >= 0 && index < {{ model.name | upper }}_EVENT_LABEL_COUNT ? labels[index] : NULL;
{% else %}
#ifdef {{ model.name | upper }}_OUTPUT_LABELS
    static const char *const labels[] = {{ model.name | upper }}_OUTPUT_LABELS;
    return index >= 0 && index < {{ model.name | upper }}_OUTPUT_LABEL_COUNT ? labels[index] : NULL;
#else
    (void)index;
    return NULL;
#endif
{% endif %}
}

int {{ model.name }}_check({{ model.name }}_state *state)
{
{% if model.has_selftest %}
    return {{ model.name }}_selftest(state);
{% else %}
    (void)state;
    return -1;
{% endif %}
}
{% for tensor in model.inputs %}

void {{ tensor.function }}_from_real({{ model.name }}_state *state, const float *values)
{
    {{ tensor.ctype }} *const input = {{ tensor.function }}(state);
    for (size_t i = 0; i < {{ tensor.elements }}; i++) {
{% if tensor.dtype == "float32" %}
        input[i] = values[i];
{% elif tensor.dtype == "bool" %}
        input[i] = (values[i] < 0 || values[i] > 0);
{% else %}
{% if tensor.scale %}
        const float scaled = values[i] / {{ tensor.function | upper }}_SCALE;
        double whole = scaled + (scaled < 0 ? -0.5F : 0.5F);
{% else %}
        double whole = values[i] + (values[i] < 0 ? -0.5 : 0.5);
{% endif %}
        /* What is no number becomes the lowest. */
        whole = whole > {{ limits[tensor.dtype][0] }} - {{ tensor.zero_point }}.0 ? whole : {{ limits[tensor.dtype][0] }} - {{ tensor.zero_point }}.0;
        whole = whole < {{ limits[tensor.dtype][1] }} - {{ tensor.zero_point }}.0 ? whole : {{ limits[tensor.dtype][1] }} - {{ tensor.zero_point }}.0;
        input[i] = ({{ tensor.ctype }})((int64_t)whole + {{ tensor.zero_point }});
{% endif %}
    }
}
{% endfor %}
{% for tensor in model.outputs %}

void {{ tensor.function }}_to_real({{ model.name }}_state *state, float *values)
{
    const {{ tensor.ctype }} *const output = {{ tensor.function }}(state);
    for (size_t i = 0; i < {{ tensor.elements }}; i++) {
{% if tensor.dtype == "float32" %}
        values[i] = output[i];
{% elif tensor.scale %}
        values[i] = (float)(((double)output[i] - {{ tensor.zero_point }}.0) * (double){{ tensor.function | upper }}_SCALE);
{% else %}
        values[i] = (float)output[i];
{% endif %}
    }
}
{% endfor %}
