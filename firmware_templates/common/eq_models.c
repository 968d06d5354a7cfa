#include "eq_models.h"

{% for model in models %}
#include "{{ model.name }}.h"
{% if model.stream %}
#include "{{ model.called }}.h"
{% endif %}
{% endfor %}

{% if shared_arena_bytes %}
/* One arena for all models: they do not run at once. EQ_ARENA_ATTR may place it. */
#ifndef EQ_ARENA_ATTR
#define EQ_ARENA_ATTR __attribute__((aligned(16)))
#endif
static uint64_t shared_arena[({{ shared_arena_bytes }}U + 7U) / 8U] EQ_ARENA_ATTR;

{% endif %}
{% macro each_model(result) %}
    switch (model) {
{% for model in models %}
{% if not loop.last %}
    case {{ loop.index0 }}:
{% else %}
    default:
{% endif %}
        {{ caller(model) | code }}
{% endfor %}
    }
{% endmacro %}
{% macro each_tensor(model, kind) %}
{% set tensors = model.inputs if kind == "input" else model.outputs %}
{% for tensor in tensors %}
{% if not loop.last %}index == {{ loop.index0 }}U ? {% endif %}{{ caller(tensor) | code }}{% if not loop.last %} : {% endif %}
{% else %}
0{% endfor %}
{% endmacro %}
void eq_models_init(void)
{
{% for model in models if model.external_arena %}
    {{ model.name }}_init(shared_arena);
{% endfor %}
}

const char *eq_model_name(uint8_t model)
{
{% call(model) each_model() %}return "{{ model.name }}";{% endcall %}
}

const uint8_t *eq_model_sha256(uint8_t model)
{
    static const uint8_t sha256[EQ_MODEL_COUNT][32] = {
{% for model in models %}
        {
{% for row in model.sha256_rows %}
            {{ row }},
{% endfor %}
        },
{% endfor %}
    };
    return sha256[model];
}

uint32_t eq_model_arena_bytes(uint8_t model)
{
{% call(model) each_model() %}return {{ model.arena_bytes + model.state_bytes }}U;{% endcall %}
}

uint8_t eq_model_inputs(uint8_t model)
{
{% call(model) each_model() %}return {{ model.inputs | length }}U;{% endcall %}
}

uint8_t eq_model_outputs(uint8_t model)
{
{% call(model) each_model() %}return {{ model.outputs | length }}U;{% endcall %}
}

uint32_t eq_model_input_bytes(uint8_t model, uint8_t index)
{
    (void)index;
{% call(model) each_model() %}return {% call(tensor) each_tensor(model, "input") %}{{ tensor.bytes }}U{% endcall %};{% endcall %}
}

uint32_t eq_model_output_bytes(uint8_t model, uint8_t index)
{
    (void)index;
{% call(model) each_model() %}return {% call(tensor) each_tensor(model, "output") %}{{ tensor.bytes }}U{% endcall %};{% endcall %}
}

uint8_t *eq_model_input(uint8_t model, uint8_t index)
{
    (void)index;
{% call(model) each_model() %}return {% call(tensor) each_tensor(model, "input") %}(uint8_t *){{ tensor.function }}(){% endcall %};{% endcall %}
}

const uint8_t *eq_model_output(uint8_t model, uint8_t index)
{
    (void)index;
{% call(model) each_model() %}return {% call(tensor) each_tensor(model, "output") %}(const uint8_t *){{ tensor.function }}(){% endcall %};{% endcall %}
}

void eq_model_invoke(uint8_t model)
{
{% call(model) each_model() %}{{ model.called }}_invoke();
        break;{% endcall %}
}

uint16_t eq_model_ops(uint8_t model)
{
{% call(model) each_model() %}return {{ model.ops | length }}U;{% endcall %}
}

uint16_t eq_model_op(uint8_t model, uint16_t step)
{
{% for model in models %}
    static const uint16_t {{ model.name }}_ops[] = {
{% for row in model.op_rows %}
        {{ row }},
{% endfor %}
    };
{% endfor %}
{% call(model) each_model() %}return {{ model.name }}_ops[step];{% endcall %}
}

uint8_t eq_model_has_state(uint8_t model)
{
{% call(model) each_model() %}return {{ 1 if model.has_state else 0 }}U;{% endcall %}
}

void eq_model_reset(uint8_t model)
{
{% call(model) each_model() %}{% if model.has_state %}{{ model.name }}_reset();
        {% endif %}break;{% endcall %}
}

uint8_t eq_model_has_selftest(uint8_t model)
{
{% call(model) each_model() %}return {{ 1 if model.has_selftest else 0 }}U;{% endcall %}
}

int eq_model_selftest(uint8_t model)
{
{% call(model) each_model() %}return {% if model.has_selftest %}{{ model.name }}_selftest(){% else %}0{% endif %};{% endcall %}
}
