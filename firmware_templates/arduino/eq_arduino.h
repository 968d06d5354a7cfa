/* The models behind Arduino's Serial. */
#ifndef EQ_ARDUINO_H
#define EQ_ARDUINO_H

extern "C" {
#include "eq_app.h"
}
{% for model in models %}
#include "{{ model.name }}.h"
{% endfor %}

/* Opens Serial, waits up to three seconds for somebody to listen, and runs the self-test. */
void eq_arduino_begin(unsigned long baud);

#endif
