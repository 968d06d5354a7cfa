/* What the WebAssembly module shows to JavaScript. Each instance has memory of its own. */
#include <stddef.h>

{% for model in models %}
#include "{{ model.name }}_api.h"
{% endfor %}

#define SHOWN(name) __attribute__((export_name(name)))

/* Real numbers on their way in and out. */
static float real[{{ most_elements }}];

SHOWN("real") float *web_real(void);
SHOWN("real") float *web_real(void)
{
    return real;
}
{% for model in models %}
{% set own = model.name + "_memory" %}

static {{ model.name }}_state {{ own }};

{% for tensor in model.inputs %}
SHOWN("{{ model.name }}.input.{{ loop.index0 }}") {{ tensor.ctype }} *web_{{ tensor.function }}(void);
SHOWN("{{ model.name }}.input.{{ loop.index0 }}") {{ tensor.ctype }} *web_{{ tensor.function }}(void)
{
    return {{ tensor.function }}(&{{ own }});
}

SHOWN("{{ model.name }}.from_real.{{ loop.index0 }}") void web_{{ tensor.function }}_from_real(void);
SHOWN("{{ model.name }}.from_real.{{ loop.index0 }}") void web_{{ tensor.function }}_from_real(void)
{
    {{ tensor.function }}_from_real(&{{ own }}, real);
}

{% endfor %}
{% for tensor in model.outputs %}
SHOWN("{{ model.name }}.output.{{ loop.index0 }}") const {{ tensor.ctype }} *web_{{ tensor.function }}(void);
SHOWN("{{ model.name }}.output.{{ loop.index0 }}") const {{ tensor.ctype }} *web_{{ tensor.function }}(void)
{
    return {{ tensor.function }}(&{{ own }});
}

SHOWN("{{ model.name }}.to_real.{{ loop.index0 }}") void web_{{ tensor.function }}_to_real(void);
SHOWN("{{ model.name }}.to_real.{{ loop.index0 }}") void web_{{ tensor.function }}_to_real(void)
{
    {{ tensor.function }}_to_real(&{{ own }}, real);
}

{% endfor %}
{% if model.stream %}
static {{ model.sample_ctype }} {{ model.name }}_samples[{{ [model.answer_step, 4096] | min }}];

SHOWN("{{ model.name }}.samples") {{ model.sample_ctype }} *web_{{ model.name }}_samples(void);
SHOWN("{{ model.name }}.samples") {{ model.sample_ctype }} *web_{{ model.name }}_samples(void)
{
    return {{ model.name }}_samples;
}

SHOWN("{{ model.name }}.push") int web_{{ model.name }}_push(int count);
SHOWN("{{ model.name }}.push") int web_{{ model.name }}_push(int count)
{
    return {{ model.name }}_push(&{{ own }}, {{ model.name }}_samples, (uint32_t)count);
}

{% if model.stream.decision %}
/* The oldest event, or NULL. */
SHOWN("{{ model.name }}.decision") const {{ model.name }}_event *web_{{ model.name }}_decision(void);
SHOWN("{{ model.name }}.decision") const {{ model.name }}_event *web_{{ model.name }}_decision(void)
{
    static {{ model.name }}_event event;
    return {{ model.name }}_decision(&{{ own }}, &event) ? &event : NULL;
}

{% endif %}
{% endif %}
/* How the SHA-256 of its .tflite file begins: index.js knows it too. */
SHOWN("{{ model.name }}.model") uint32_t web_{{ model.name }}_model(void);
SHOWN("{{ model.name }}.model") uint32_t web_{{ model.name }}_model(void)
{
    return 0x{{ model.sha256[:8] }}u;
}

SHOWN("{{ model.name }}.setup") void web_{{ model.name }}_setup(void);
SHOWN("{{ model.name }}.setup") void web_{{ model.name }}_setup(void)
{
    {{ model.name }}_setup(&{{ own }});
}

SHOWN("{{ model.name }}.invoke") void web_{{ model.name }}_invoke(void);
SHOWN("{{ model.name }}.invoke") void web_{{ model.name }}_invoke(void)
{
    {{ model.name }}_invoke(&{{ own }});
}

SHOWN("{{ model.name }}.restart") void web_{{ model.name }}_restart(void);
SHOWN("{{ model.name }}.restart") void web_{{ model.name }}_restart(void)
{
    {{ model.name }}_restart(&{{ own }});
}

SHOWN("{{ model.name }}.check") int web_{{ model.name }}_check(void);
SHOWN("{{ model.name }}.check") int web_{{ model.name }}_check(void)
{
    return {{ model.name }}_check(&{{ own }});
}

SHOWN("{{ model.name }}.label") const char *web_{{ model.name }}_label(int index);
SHOWN("{{ model.name }}.label") const char *web_{{ model.name }}_label(int index)
{
    return {{ model.name }}_label(index);
}
{% endfor %}
