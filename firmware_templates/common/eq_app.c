#include "eq_app.h"

#include <stdint.h>

#include "eq_models.h"
#include "eq_port.h"
#include "eq_serial.h"

static void print(const char *text)
{
    while (*text != '\0') {
        eq_port_put((uint8_t)*text);
        text++;
    }
}

static void print_number(uint32_t value)
{
    char digits[11];
    unsigned at = sizeof digits - 1U;
    digits[at] = '\0';
    do {
        at--;
        digits[at] = (char)('0' + (char)(value % 10U));
        value /= 10U;
    } while (value != 0U);
    print(&digits[at]);
}

static int selftest(uint8_t model)
{
    print("edgeq ");
    print(eq_model_name(model));
    print(": self-test ");
    if (!eq_model_has_selftest(model)) {
        print("not built in (compile with --golden)\r\n");
        return 0;
    }
    const uint32_t start = eq_port_cycles();
    const int op = eq_model_selftest(model);
    const uint32_t cycles = eq_port_cycles() - start;
    if (op != 0) {
        print("FAIL at op ");
        print_number((uint32_t)op);
        print("\r\n");
        return 1;
    }
    print("PASS, ");
    print_number(cycles);
    print(" cycles\r\n");
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
