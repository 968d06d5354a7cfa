/* {{ models | map(attribute="name") | join(", ") }} for the classes of the same names. Their memory is a direct buffer of
 * Java's: nothing is allocated here, and nothing can be used after it was freed. */
#include "jni_calls.h"
{% for model in models %}
#include "{{ model.name }}_api.h"
{% endfor %}

#define SHOWN __attribute__((visibility("default")))
{% macro head(result, class, name, more="") %}
SHOWN {{ result | code }} {{ jni_prefix }}_{{ class }}_{{ name }}(eq_jni_env env, eq_jni_object self{{ more | code }});
SHOWN {{ result | code }} {{ jni_prefix }}_{{ class }}_{{ name }}(eq_jni_env env, eq_jni_object self{{ more | code }})
{%- endmacro %}
{% macro arrays_of(model) %}
{% for tensor in model.inputs %}, eq_jni_object input{{ loop.index0 }}{% endfor %}{% for tensor in model.outputs %}, eq_jni_object output{{ loop.index0 }}{% endfor %}
{%- endmacro %}
{% for model in models %}

{{ head("int32_t", model.title, "stateBytes") | code }}
{
    (void)env;
    (void)self;
    return (int32_t){{ model.name }}_state_bytes();
}

{{ head("void", model.title, "setup", ", eq_jni_object memory") | code }}
{
    (void)self;
    {{ model.name }}_setup(eq_jni_aligned(env, memory));
}

{{ head("void", model.title, "restart", ", eq_jni_object memory") | code }}
{
    (void)self;
    {{ model.name }}_restart(eq_jni_aligned(env, memory));
}

{{ head("int32_t", model.title, "check", ", eq_jni_object memory") | code }}
{
    (void)self;
    return {{ model.name }}_check(eq_jni_aligned(env, memory));
}

{{ head("eq_jni_object", model.title, "labelBytes", ", int32_t index") | code }}
{
    const char *name = {{ model.name }}_label(index);
    eq_jni_object bytes;
    int32_t length = 0;
    (void)self;
    if (name == NULL) {
        return NULL;
    }
    while (name[length] != 0) {
        length++;
    }
    bytes = eq_jni_new_bytes(env, length);
    if (bytes != NULL) {
        eq_jni_copy(env, EQ_JNI_SET_BYTES, bytes, length, (void *)(uintptr_t)name);
    }
    return bytes;
}

{% if model.stream %}
{{ head("int32_t", model.title, "pushSamples", ", eq_jni_object memory, eq_jni_object samples, int32_t count") | code }}
{
    {{ model.name }}_state *state = eq_jni_aligned(env, memory);
    {{ model.sample_ctype }} part[256];
    int32_t answers = 0;
    int32_t done;
    (void)self;
    for (done = 0; done < count;) {
        const int32_t left = count - done;
        const int32_t size = left < 256 ? left : 256;
        eq_jni_part(env, EQ_JNI_GET_{{ jni_types[model.stream.dtype] }}, samples, done, size, part);
        answers += {{ model.name }}_push(state, part, (uint32_t)size);
        done += size;
    }
    return answers;
}

{{ head("void", model.title, "readOutput", ", eq_jni_object memory" + arrays_of(model)) | code }}
{
    {{ model.name }}_state *state = eq_jni_aligned(env, memory);
    (void)self;
{% for tensor in model.outputs %}
    eq_jni_copy(env, EQ_JNI_SET_{{ jni_types[tensor.dtype] }}, output{{ loop.index0 }}, {{ tensor.elements }},
                (void *)(uintptr_t){{ tensor.function }}(state));
{% endfor %}
}

{{ head("void", model.title, "readOutputReal", ", eq_jni_object memory, eq_jni_object real" + arrays_of(model)) | code }}
{
    {{ model.name }}_state *state = eq_jni_aligned(env, memory);
    float *values = eq_jni_aligned(env, real);
    (void)self;
{% for tensor in model.outputs %}
    {{ tensor.function }}_to_real(state, values);
    eq_jni_copy(env, EQ_JNI_SET_FLOATS, output{{ loop.index0 }}, {{ tensor.elements }}, values);
{% endfor %}
}
{% if model.stream.decision %}

{{ head("int32_t", model.title, "takeEvent", ", eq_jni_object memory, eq_jni_object into") | code }}
{
    {{ model.name }}_event event;
    int64_t values[3];
    (void)self;
    if ({{ model.name }}_decision(eq_jni_aligned(env, memory), &event) == 0) {
        return 0;
    }
    values[0] = event.label;
    values[1] = event.score;
    values[2] = event.sample;
    eq_jni_copy(env, EQ_JNI_SET_LONGS, into, 3, values);
    return 1;
}
{% endif %}
{% else %}
{{ head("void", model.title, "invoke", ", eq_jni_object memory" + arrays_of(model)) | code }}
{
    {{ model.name }}_state *state = eq_jni_aligned(env, memory);
    (void)self;
{% for tensor in model.inputs %}
    eq_jni_copy(env, EQ_JNI_GET_{{ jni_types[tensor.dtype] }}, input{{ loop.index0 }}, {{ tensor.elements }}, {{ tensor.function }}(state));
{% endfor %}
    {{ model.name }}_invoke(state);
{% for tensor in model.outputs %}
    eq_jni_copy(env, EQ_JNI_SET_{{ jni_types[tensor.dtype] }}, output{{ loop.index0 }}, {{ tensor.elements }},
                (void *)(uintptr_t){{ tensor.function }}(state));
{% endfor %}
}

{{ head("void", model.title, "invokeReal", ", eq_jni_object memory, eq_jni_object real" + arrays_of(model)) | code }}
{
    {{ model.name }}_state *state = eq_jni_aligned(env, memory);
    float *values = eq_jni_aligned(env, real);
    (void)self;
{% for tensor in model.inputs %}
    eq_jni_copy(env, EQ_JNI_GET_FLOATS, input{{ loop.index0 }}, {{ tensor.elements }}, values);
    {{ tensor.function }}_from_real(state, values);
{% endfor %}
    {{ model.name }}_invoke(state);
{% for tensor in model.outputs %}
    {{ tensor.function }}_to_real(state, values);
    eq_jni_copy(env, EQ_JNI_SET_FLOATS, output{{ loop.index0 }}, {{ tensor.elements }}, values);
{% endfor %}
}
{% endif %}
{% endfor %}
