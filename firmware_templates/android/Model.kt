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

{% if model.stream %}
    /**
     * Samples as they come, the first `count` of an array: how many answers became ready. output()
     * is the last of them; of at most ANSWER_STEP samples there is never more than one.
     */
    @JvmOverloads
    @Synchronized
    fun push(samples: {{ kotlin_arrays[model.stream.dtype] }}, count: Int = samples.size): Int {
        require(count >= 0 && count <= samples.size) { "samples has {{ "${" | code }}samples.size{{ "}" | code }} values, not $count" }
        return pushSamples(memory, samples, count)
    }

    /** The last answer, in the types of the tensors, into the arrays that are given. */
    @Synchronized
    fun output({{ given(model.outputs, "output", "") | code }}) {
{{ checks(model.outputs, "output") | code }}        readOutput(memory, {{ named(model.outputs, "output") | code }})
    }

    /** The last answer in real numbers, into the arrays that are given. */
    @Synchronized
    fun outputReal({{ given(model.outputs, "output", "FloatArray") | code }}) {
{{ checks(model.outputs, "output") | code }}        readOutputReal(memory, real, {{ named(model.outputs, "output") | code }})
    }
{% if model.outputs | length == 1 %}

    /** The last answer in the type of the output. */
    fun output(): {{ kotlin_arrays[model.outputs[0].dtype] }} {
        val output = {{ kotlin_arrays[model.outputs[0].dtype] }}({{ model.outputs[0].elements }})
        output(output)
        return output
    }

    /** The last answer in real numbers. */
    fun outputReal(): FloatArray {
        val output = FloatArray({{ model.outputs[0].elements }})
        outputReal(output)
        return output
    }
{% endif %}
{% if model.stream.decision %}

    /**
     * What was decided: the number of a class, its mean score from 0 to 1, and the samples since
     * reset() until then.
     */
    class Event(@JvmField val label: Int, @JvmField val score: Float, @JvmField val sample: Long)

    /** The oldest event that was not taken yet; null where there is none. */
    @Synchronized
    fun decision(): Event? {
        val into = LongArray(3)
        if (takeEvent(memory, into) == 0) return null
        return Event(into[0].toInt(), into[1] / 32768f, into[2])
    }
{% endif %}
{% else %}
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
{% if model.stream %}
    private external fun pushSamples(
        memory: ByteBuffer, samples: {{ kotlin_arrays[model.stream.dtype] }}, count: Int
    ): Int
    private external fun readOutput(memory: ByteBuffer, {{ given(model.outputs, "output", "") | code }})
    private external fun readOutputReal(
        memory: ByteBuffer, real: ByteBuffer, {{ given(model.outputs, "output", "FloatArray") | code }}
    )
{% if model.stream.decision %}
    private external fun takeEvent(memory: ByteBuffer, into: LongArray): Int
{% endif %}
{% else %}
    private external fun invoke(
        memory: ByteBuffer, {{ given(model.inputs, "input", "") | code }}, {{ given(model.outputs, "output", "") | code }}
    )
    private external fun invokeReal(
        memory: ByteBuffer, real: ByteBuffer, {{ given(model.inputs, "input", "FloatArray") | code }}, {{ given(model.outputs, "output", "FloatArray") | code }}
    )
{% endif %}

    companion object {
        init {
            System.loadLibrary("{{ name }}_jni")
        }

{% if model.stream %}
        /** Hz; 0 where samples are bytes of frames. */
        const val SAMPLE_RATE = {{ model.stream.rate_hz }}

        /** Samples until the first answer, and from one to the next. */
        const val FIRST_ANSWER = {{ model.stream.first_answer }}
        const val ANSWER_STEP = {{ model.answer_step }}

{% endif %}
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
