package {{ java_package }}

import androidx.test.ext.junit.runners.AndroidJUnit4
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith

/** On a device: gradle connectedAndroidTest. */
@RunWith(AndroidJUnit4::class)
class SelfTest {
{% for model in models %}
    @Test
    fun {{ model.name }}() = assertEquals(0, {{ model.title }}().selfTest())

{% endfor %}
}
