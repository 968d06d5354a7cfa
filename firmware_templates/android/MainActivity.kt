// An activity that shows what {{ models[0].name }} says of zeros, and how long that takes.
package {{ java_package }}.example

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import {{ java_package }}.{{ models[0].title }}

class MainActivity : Activity() {
    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        val view = TextView(this)
        setContentView(view)
        Thread {
            val model = {{ models[0].title }}()
            val test = model.selfTest()
            model.reset()
{% for tensor in models[0].inputs %}
            val input{{ loop.index0 }} = FloatArray({{ models[0].title }}.INPUT{% if loop.index0 %}_{{ loop.index0 }}{% endif %}.elements)
{% endfor %}
{% for tensor in models[0].outputs %}
            val output{{ loop.index0 }} = FloatArray({{ models[0].title }}.OUTPUT{% if loop.index0 %}_{{ loop.index0 }}{% endif %}.elements)
{% endfor %}
            val start = System.nanoTime()
            model.runReal({% for tensor in models[0].inputs %}input{{ loop.index0 }}, {% endfor %}{% for tensor in models[0].outputs %}output{{ loop.index0 }}{% if not loop.last %}, {% endif %}{% endfor %})
            val micros = (System.nanoTime() - start) / 1000
            runOnUiThread { view.text = "self-test $test, $micros us\n" + output0.joinToString() }
        }.start()
    }
}
