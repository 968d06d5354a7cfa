#include "eq_app.h"

#include <stdint.h>

#include "eq_models.h"
#include "eq_port.h"
#include "eq_serial.h"

void eq_app_say(const char *text)
{
    while (*text != '\0') {
        eq_port_put((uint8_t)*text);
        text++;
    }
}

void eq_app_say_number(uint32_t value)
{
    char digits[11];
    unsigned at = sizeof digits - 1U;
    digits[at] = '\0';
    do {
        at--;
        digits[at] = (char)('0' + (char)(value % 10U));
        value /= 10U;
    } while (value != 0U);
    eq_app_say(&digits[at]);
}

static int selftest(uint8_t model)
{
    eq_app_say("edgeq ");
    eq_app_say(eq_model_name(model));
    eq_app_say(": self-test ");
    if (!eq_model_has_selftest(model)) {
        eq_app_say("not built in (compile with --golden)\r\n");
        return 0;
    }
    const uint32_t start = eq_port_cycles();
    const int op = eq_model_selftest(model);
    const uint32_t cycles = eq_port_cycles() - start;
    if (op != 0) {
        eq_app_say("FAIL at op ");
        eq_app_say_number((uint32_t)op);
        eq_app_say("\r\n");
        return 1;
    }
    eq_app_say("PASS, ");
    eq_app_say_number(cycles);
    eq_app_say(" cycles\r\n");
    return 0;
}

int eq_app_selftest(void)
{
    int failures = 0;
    eq_models_init();
    eq_port_cycles_start();
    for (uint8_t model = 0; model < EQ_MODEL_COUNT; model++) {
        failures += selftest(model);
    }
    return failures;
}

void eq_app_poll(void)
{
    int byte = eq_port_get();
    while (byte >= 0) {
        eq_serial_receive((uint8_t)byte);
        byte = eq_port_get();
    }
    eq_port_idle();
}
