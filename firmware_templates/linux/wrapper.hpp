// {{ name }} in C++20: {{ models | map(attribute="name") | join(", ") }}. Made by edgeq {{ edgeq_version }}.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
{% if models | selectattr("stream") | list %}
#include <optional>
{% endif %}
#include <span>

{% for model in models %}
#include "{{ model.name }}_api.h"
{% endfor %}

namespace {{ name }} {
{% for model in models %}

/// One {{ model.name }} with memory of its own. Different objects may run at the same time.
class {{ model.title }} {
public:
{% for tensor in model.inputs %}
    static constexpr std::size_t input{{ suffix(loop.index0) }}_elements = {{ tensor.elements }}; // {{ tensor.dtype }} {{ tensor.shape | join(" x ") }}
{% if tensor.scale %}
    static constexpr float input{{ suffix(loop.index0) }}_scale = {{ tensor.function | upper }}_SCALE;
    static constexpr std::int32_t input{{ suffix(loop.index0) }}_zero_point = {{ tensor.function | upper }}_ZERO_POINT;
{% endif %}
{% endfor %}
{% if model.stream %}
    static constexpr std::uint32_t sample_rate = {{ model.stream.rate_hz }}; // Hz; 0 for frames
    static constexpr std::uint32_t first_answer = {{ model.stream.first_answer }}; // samples until there
    static constexpr std::uint32_t answer_step = {{ model.answer_step }}; // samples from one to the next
{% endif %}
{% for tensor in model.outputs %}
    static constexpr std::size_t output{{ suffix(loop.index0) }}_elements = {{ tensor.elements }}; // {{ tensor.dtype }} {{ tensor.shape | join(" x ") }}
{% if tensor.scale %}
    static constexpr float output{{ suffix(loop.index0) }}_scale = {{ tensor.function | upper }}_SCALE;
    static constexpr std::int32_t output{{ suffix(loop.index0) }}_zero_point = {{ tensor.function | upper }}_ZERO_POINT;
{% endif %}
{% endfor %}

    {{ model.title }}()
        : state_(static_cast<{{ model.name }}_state *>(
              ::operator new({{ model.name }}_state_bytes(), std::align_val_t{alignment})))
    {
        {{ model.name }}_setup(state_.get());
    }

{% for tensor in model.inputs %}
    /// The model's own memory: write here, then invoke(). A call may overwrite it.
    std::span<{{ tensor.ctype }}, {{ tensor.elements }}> input{{ suffix(loop.index0) }}() noexcept
    {
        return std::span<{{ tensor.ctype }}, {{ tensor.elements }}>({{ tensor.function }}(state_.get()), {{ tensor.elements }});
    }

    /// Real numbers, rounded to the input's type.
    void set_input{{ suffix(loop.index0) }}(std::span<const float, {{ tensor.elements }}> values) noexcept
    {
        {{ tensor.function }}_from_real(state_.get(), values.data());
    }

{% endfor %}
{% for tensor in model.outputs %}
    /// The model's own memory: valid until the next call or write to an input.
    std::span<const {{ tensor.ctype }}, {{ tensor.elements }}> output{{ suffix(loop.index0) }}() const noexcept
    {
        return std::span<const {{ tensor.ctype }}, {{ tensor.elements }}>({{ tensor.function }}(state_.get()), {{ tensor.elements }});
    }

    /// The output in real numbers.
    void get_output{{ suffix(loop.index0) }}(std::span<float, {{ tensor.elements }}> values) const noexcept
    {
        {{ tensor.function }}_to_real(state_.get(), values.data());
    }

{% endfor %}
{% if model.stream %}
    /// Samples as they come, any number of them: how many answers became ready. output() is the
    /// last of them; of at most answer_step samples there is never more than one.
    int push(std::span<const {{ model.sample_ctype }}> samples) noexcept
    {
        return {{ model.name }}_push(state_.get(), samples.data(), static_cast<std::uint32_t>(samples.size()));
    }
{% if model.stream.decision %}

    /// The oldest event that was not taken yet; label() has its name.
    std::optional<{{ model.name }}_event> decision() noexcept
    {
        {{ model.name }}_event event{};
        if ({{ model.name }}_decision(state_.get(), &event) == 0) {
            return std::nullopt;
        }
        return event;
    }
{% endif %}
{% else %}
    /// Run the model once on what its inputs hold. It cannot fail.
    void invoke() noexcept { {{ model.name }}_invoke(state_.get()); }
{% endif %}

    /// Forget all calls so far, where the model keeps something from call to call.
    void reset() noexcept { {{ model.name }}_restart(state_.get()); }

    /// 0 when each op gives the bytes known when this was made, else the first op that differs.
    int self_test() noexcept { return {{ model.name }}_check(state_.get()); }

    /// The name of a class in UTF-8, where the model has names; else null.
    static const char *label(int index) noexcept { return {{ model.name }}_label(index); }

private:
    static constexpr std::size_t alignment = 16;

    struct deleter {
        void operator()({{ model.name }}_state *state) const noexcept
        {
            ::operator delete(state, std::align_val_t{alignment});
        }
    };

    std::unique_ptr<{{ model.name }}_state, deleter> state_;
};
{% endfor %}

} // namespace {{ name }}
