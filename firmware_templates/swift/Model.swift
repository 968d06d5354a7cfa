// {{ model.name }}. Made by edgeq {{ edgeq_version }}.
import C{{ module }}
import Foundation

{% macro given(tensors, word, before, type, after) %}
{% for tensor in tensors %}_ {{ word }}{% if loop.index0 %}{{ loop.index0 }}{% endif %}: {{ before | code }}{{ type or swift_types[tensor.dtype] }}{{ after | code }}{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro %}
{% macro named(tensors, word, after="") %}
{% for tensor in tensors %}{{ word }}{% if loop.index0 %}{{ loop.index0 }}{% endif %}{{ after | code }}{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro %}
{% macro results(tensors, type) %}
{% if tensors | length == 1 %}[{{ type or swift_types[tensors[0].dtype] }}]{% else %}({% for tensor in tensors %}[{{ type or swift_types[tensor.dtype] }}]{% if not loop.last %}, {% endif %}{% endfor %}){% endif %}
{%- endmacro %}
{% macro check(word, k, tensor) %}
{% set own = word + (k | string if k else "") %}
        precondition({{ own }}.count == {{ tensor.elements }}, "{{ own }} has {{ tensor.elements }} values, not \({{ own }}.count)")
{%- endmacro %}
/// One {{ model.name }} with memory of its own. Calls are made in order, one at a time, from any thread;
/// different objects may run at the same time. The bytes are TensorFlow Lite Micro's.
public final class {{ model.title }}: @unchecked Sendable {
    /// SHA-256 of the .tflite file.
    public static let sha256 = "{{ model.sha256 }}"
{% for tensor in model.inputs %}
    public static let input{% if loop.index0 %}{{ loop.index0 }}{% endif %} = Tensor(
        dtype: "{{ tensor.dtype }}", shape: [{{ tensor.shape | join(", ") }}], scale: {{ tensor.scale }}, zeroPoint: {{ tensor.zero_point }})
{% endfor %}
{% for tensor in model.outputs %}
    public static let output{% if loop.index0 %}{{ loop.index0 }}{% endif %} = Tensor(
        dtype: "{{ tensor.dtype }}", shape: [{{ tensor.shape | join(", ") }}], scale: {{ tensor.scale }}, zeroPoint: {{ tensor.zero_point }})
{% endfor %}
{% if model.stream %}
    /// Hz; 0 where samples are bytes of frames.
    public static let sampleRate = {{ model.stream.rate_hz }}
    /// Samples until the first answer, and from one to the next.
    public static let firstAnswer = {{ model.stream.first_answer }}
    public static let answerStep = {{ model.answer_step }}
{% endif %}

    private let memory: UnsafeMutableRawPointer
    private let state: UnsafeMutablePointer<{{ model.name }}_state>
    private let lock = NSLock()

    public init() {
        memory = UnsafeMutableRawPointer.allocate(
            byteCount: {{ model.name }}_state_bytes(), alignment: 16)
        state = memory.bindMemory(to: {{ model.name }}_state.self, capacity: 1)
        {{ model.name }}_setup(state)
    }

    deinit {
        memory.deallocate()
    }

{% if model.stream %}
    /// Samples as they come: how many answers became ready. output() is the last of them; of at
    /// most answerStep samples there is never more than one.
    public func push(_ samples: UnsafeBufferPointer<{{ swift_types[model.stream.dtype] }}>) -> Int {
        guard let first = samples.baseAddress else { return 0 }
        lock.lock()
        defer { lock.unlock() }
        return Int({{ model.name }}_push(state, first, UInt32(samples.count)))
    }

    /// Samples as they come: how many answers became ready.
    public func push(_ samples: [{{ swift_types[model.stream.dtype] }}]) -> Int {
        samples.withUnsafeBufferPointer { push($0) }
    }
{% for real in ("", "Real") %}

    /// The last answer in {% if real %}real numbers{% else %}the type{% if model.outputs | length > 1 %}s{% endif %} of the output{% if model.outputs | length > 1 %}s{% endif %}{% endif %}.
    public func output{{ real }}() -> {{ results(model.outputs, "Float" if real else "") | code }} {
        lock.lock()
        defer { lock.unlock() }
{% for tensor in model.outputs %}
        var output{% if loop.index0 %}{{ loop.index0 }}{% endif %} = [{{ "Float" if real else swift_types[tensor.dtype] }}](repeating: 0, count: {{ tensor.elements }})
{% if real %}
        {{ tensor.function }}_to_real(state, &output{% if loop.index0 %}{{ loop.index0 }}{% endif %})
{% else %}
        for k in 0..<{{ tensor.elements }} { output{% if loop.index0 %}{{ loop.index0 }}{% endif %}[k] = {{ tensor.function }}(state)[k] }
{% endif %}
{% endfor %}
        return {% if model.outputs | length > 1 %}({{ named(model.outputs, "output") | code }}){% else %}output{% endif %}

    }
{% endfor %}
{% if model.stream.decision %}

    /// What was decided: the number of a class, its mean score from 0 to 1, and the samples since
    /// reset() until then.
    public struct Event: Sendable, Hashable {
        public let label: Int
        public let score: Float
        public let sample: Int
    }

    /// The oldest event that was not taken yet; nil where there is none.
    public func decision() -> Event? {
        lock.lock()
        defer { lock.unlock() }
        var event = {{ model.name }}_event()
        guard {{ model.name }}_decision(state, &event) != 0 else { return nil }
        return Event(
            label: Int(event.label), score: Float(event.score) / 32768, sample: Int(event.sample))
    }
{% endif %}
{% else %}
    /// Inputs in the types of the tensors; the outputs go into memory of the caller.
    public func run(
        {{ given(model.inputs, "input", "UnsafeBufferPointer<", "", ">") | code }},
        {{ given(model.outputs, "output", "UnsafeMutableBufferPointer<", "", ">") | code }}
    ) {
{% for tensor in model.inputs %}
{{ check("input", loop.index0, tensor) | code }}
{% endfor %}
{% for tensor in model.outputs %}
{{ check("output", loop.index0, tensor) | code }}
{% endfor %}
        lock.lock()
        defer { lock.unlock() }
{% for tensor in model.inputs %}
        {{ tensor.function }}(state).update(from: input{% if loop.index0 %}{{ loop.index0 }}{% endif %}.baseAddress!, count: {{ tensor.elements }})
{% endfor %}
        {{ model.name }}_invoke(state)
{% for tensor in model.outputs %}
        output{% if loop.index0 %}{{ loop.index0 }}{% endif %}.baseAddress!.update(from: {{ tensor.function }}(state), count: {{ tensor.elements }})
{% endfor %}
    }

    /// Real numbers in and out, in memory of the caller.
    public func runReal(
        {{ given(model.inputs, "input", "UnsafeBufferPointer<", "Float", ">") | code }},
        {{ given(model.outputs, "output", "UnsafeMutableBufferPointer<", "Float", ">") | code }}
    ) {
{% for tensor in model.inputs %}
{{ check("input", loop.index0, tensor) | code }}
{% endfor %}
{% for tensor in model.outputs %}
{{ check("output", loop.index0, tensor) | code }}
{% endfor %}
        lock.lock()
        defer { lock.unlock() }
{% for tensor in model.inputs %}
        {{ tensor.function }}_from_real(state, input{% if loop.index0 %}{{ loop.index0 }}{% endif %}.baseAddress!)
{% endfor %}
        {{ model.name }}_invoke(state)
{% for tensor in model.outputs %}
        {{ tensor.function }}_to_real(state, output{% if loop.index0 %}{{ loop.index0 }}{% endif %}.baseAddress!)
{% endfor %}
    }
{% for real in ("", "Real") %}
{% set type = "Float" if real else "" %}

    /// The output{% if model.outputs | length > 1 %}s{% endif %} for inputs {% if real %}in real numbers, in real numbers{% else %}in the types of the tensors{% endif %}.
    public func run{{ real }}({{ given(model.inputs, "input", "[", type, "]") | code }}) -> {{ results(model.outputs, type) | code }} {
{% for tensor in model.outputs %}
        var output{% if loop.index0 %}{{ loop.index0 }}{% endif %} = [{{ type or swift_types[tensor.dtype] }}](repeating: 0, count: {{ tensor.elements }})
{% endfor %}
{% for tensor in model.inputs %}
        input{% if loop.index0 %}{{ loop.index0 }}{% endif %}.withUnsafeBufferPointer { from{{ loop.index0 }} in
{% endfor %}
{% for tensor in model.outputs %}
        output{% if loop.index0 %}{{ loop.index0 }}{% endif %}.withUnsafeMutableBufferPointer { to{{ loop.index0 }} in
{% endfor %}
            run{{ real }}({% for tensor in model.inputs %}from{{ loop.index0 }}, {% endfor %}{% for tensor in model.outputs %}to{{ loop.index0 }}{% if not loop.last %}, {% endif %}{% endfor %})
{% for tensor in [] + model.inputs | list + model.outputs | list %}
        }
{% endfor %}
        return {% if model.outputs | length > 1 %}({{ named(model.outputs, "output") | code }}){% else %}output{% endif %}

    }
{% endfor %}
{% endif %}

    /// Forget all calls so far, where the model keeps something from call to call.
    public func reset() {
        lock.lock()
        defer { lock.unlock() }
        {{ model.name }}_restart(state)
    }

    /// 0 when each op gives the bytes known when this was made, else the first op that differs.
    public func selfTest() -> Int {
        lock.lock()
        defer { lock.unlock() }
        return Int({{ model.name }}_check(state))
    }

    /// The name of a class, where the model has names; else nil.
    public static func label(_ index: Int) -> String? {
        guard let name = {{ model.name }}_label(Int32(clamping: index)) else { return nil }
        return String(cString: name)
    }
}
