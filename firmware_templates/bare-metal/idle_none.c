/* Between bytes: nothing. A chip's serial port is asked again and again. */
#include "eq_port.h"

void eq_port_idle(void)
{
}
