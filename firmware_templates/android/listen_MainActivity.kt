// An activity that shows what {{ models[0].name }} decides of silence, and how long that takes.
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
            // In an app: what AudioRecord reads, {{ models[0].title }}.SAMPLE_RATE samples a second.
            val samples = {{ kotlin_arrays[models[0].stream.dtype] }}({{ models[0].title }}.FIRST_ANSWER)
            val start = System.nanoTime()
            val answers = model.push(samples)
            val micros = (System.nanoTime() - start) / 1000
            runOnUiThread { view.text = "self-test $test, $answers answers in $micros us" }
        }.start()
    }
}
