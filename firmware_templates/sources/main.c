/* {{ name }}: call app_main_loop() from your main() when clocks and the serial port are running.
 * The six functions of eq_port.h are yours to write for your board. */
#include "eq_app.h"

void app_main_loop(void);

void app_main_loop(void)
{
    (void)eq_app_selftest();
    for (;;) {
        eq_app_poll();
    }
}
