import XCTest

import {{ module }}

final class {{ module }}Tests: XCTestCase {
{% for model in models %}
    func test{{ model.title }}() {
        let model = {{ model.title }}()
{% if model.has_selftest %}
        XCTAssertEqual(model.selfTest(), 0)
        model.reset()
{% endif %}
{% if model.stream %}
        let silence = [{{ swift_types[model.stream.dtype] }}](repeating: 0, count: {{ model.title }}.firstAnswer)
        XCTAssertEqual(model.push(silence), 1)
        let first = model.outputReal()
        model.reset()
        XCTAssertEqual(model.push(silence), 1)
        let second = model.outputReal()
{% else %}
{% for tensor in model.inputs %}
        let input{{ loop.index0 }} = [Float](repeating: 0, count: {{ tensor.elements }})
{% endfor %}
        let first = model.runReal({% for tensor in model.inputs %}input{{ loop.index0 }}{% if not loop.last %}, {% endif %}{% endfor %})
        model.reset()
        let second = model.runReal({% for tensor in model.inputs %}input{{ loop.index0 }}{% if not loop.last %}, {% endif %}{% endfor %})
{% endif %}
{% if model.outputs | length == 1 %}
        XCTAssertEqual(first, second)
{% else %}
        XCTAssertEqual(first.0, second.0)
{% endif %}
    }

{% endfor %}
}
