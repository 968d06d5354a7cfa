// {{ model.name }}. Made by edgeq {{ edgeq_version }}.
package {{ java_package }}

import java.nio.ByteBuffer

{% macro given(tensors, word, type) %}
{% for tensor in tensors %}{{ word }}{% if loop.index0 %}{{ loop.index0 }}{% endif %}: {{ (type or kotlin_arrays[tensor.dtype]) | code }}{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro %}
{% macro named(tensors, word) %}
{% for tensor in tensors %}{{ word }}{% if loop.index0 %}{{ loop.index0 }}{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro %}
{% macro checks(tensors, word) %}
{% for tensor in tensors %}
{% set own = word + (loop.index0 | string if loop.index0 else "") %}
        require({{ own }}.size == {{ tensor.elements }}) { "{{ own }} has {{ tensor.elements }} values, not {{ "${" | code }}{{ own }}.size{{ "}" | code }}" }
{% endfor %}
{%- endmacro %}
/**
 * One {{ model.name }} with memory of its own. Calls are made in order, one at a time; different
 * objects may run at the same time. The bytes are TensorFlow Lite Micro's.
 *
 * SHA-256 of its .tflite file: {{ model.sha256 }}
 */
class {{ model.title }} {
    private val memory: ByteBuffer = ByteBuffer.allocateDirect(stateBytes() + 16)
    private val real: ByteBuffer = ByteBuffer.allocateDirect({{ largest }} * 4 + 16)

    init {
        setup(memory)
    }

    /** Inputs in the types of the tensors; the outputs go into the arrays that are given. */
    @Synchronized
    fun run({{ given(model.inputs, "input", "") | code }}, {{ given(model.outputs, "output", "") | code }}) {
{{ checks(model.inputs, "input") | code }}{{ checks(model.outputs, "output") | code }}        invoke(memory, {{ named(model.inputs, "input") | code }}, {{ named(model.outputs, "output") | code }})
    }

    /** Real numbers in and out. */
    @Synchronized
    fun runReal({{ given(model.inputs, "input", "FloatArray") | code }}, {{ given(model.outputs, "output", "FloatArray") | code }}) {
{{ checks(model.inputs, "input") | code }}{{ checks(model.outputs, "output") | code }}        invokeReal(memory, real, {{ named(model.inputs, "input") | code }}, {{ named(model.outputs, "output") | code }})
    }
{% if model.outputs | length == 1 %}

    /** The output for inputs in the types of the tensors. */
    fun run({{ given(model.inputs, "input", "") | code }}): {{ kotlin_arrays[model.outputs[0].dtype] }} {
        val output = {{ kotlin_arrays[model.outputs[0].dtype] }}({{ model.outputs[0].elements }})
        run({{ named(model.inputs, "input") | code }}, output)
        return output
    }

    /** The output in real numbers for inputs in real numbers. */
    fun runReal({{ given(model.inputs, "input", "FloatArray") | code }}): FloatArray {
        val output = FloatArray({{ model.outputs[0].elements }})
        runReal({{ named(model.inputs, "input") | code }}, output)
        return output
    }
{% endif %}

    /** Forget all calls so far, where the model keeps something from call to call. */
    @Synchronized
    fun reset() = restart(memory)

    /** 0 when each op gives the bytes known when this was made, else the first op that differs. */
    @Synchronized
    fun selfTest(): Int = check(memory)

    /** The name of a class, where the model has names; else null. */
    fun label(index: Int): String? = labelBytes(index)?.let { String(it, Charsets.UTF_8) }

    private external fun stateBytes(): Int
    private external fun setup(memory: ByteBuffer)
    private external fun restart(memory: ByteBuffer)
    private external fun check(memory: ByteBuffer): Int
    private external fun labelBytes(index: Int): ByteArray?
    private external fun invoke(
        memory: ByteBuffer, {{ given(model.inputs, "input", "") | code }}, {{ given(model.outputs, "output", "") | code }}
    )
    private external fun invokeReal(
        memory: ByteBuffer, real: ByteBuffer, {{ given(model.inputs, "input", "FloatArray") | code }}, {{ given(model.outputs, "output", "FloatArray") | code }}
    )

    companion object {
        init {
            System.loadLibrary("{{ name }}_jni")
        }

{% for tensor in model.inputs %}
        @JvmField
        val INPUT{% if loop.index0 %}_{{ loop.index0 }}{% endif %} = Tensor("{{ tensor.dtype }}", intArrayOf({{ tensor.shape | join(", ") }}), {{ tensor.scale }}, {{ tensor.zero_point }})
{% endfor %}
{% for tensor in model.outputs %}
        @JvmField
        val OUTPUT{% if loop.index0 %}_{{ loop.index0 }}{% endif %} = Tensor("{{ tensor.dtype }}", intArrayOf({{ tensor.shape | join(", ") }}), {{ tensor.scale }}, {{ tensor.zero_point }})
{% endfor %}
    }
}
