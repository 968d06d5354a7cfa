/* What the application needs from a board; each kind of project brings its own. */
#ifndef EQ_PORT_H
#define EQ_PORT_H

#include <stdint.h>

/* Sends one byte; waits until there is room for it. */
void eq_port_put(uint8_t byte);

/* The next byte that has come in, or -1. Does not wait. */
int eq_port_get(void);

/* Starts the cycle counter. */
void eq_port_cycles_start(void);

/* Cycles since the counter was started, modulo 2^32. */
uint32_t eq_port_cycles(void);

/* Most stack that was in use since the start, in bytes; 0 where nobody knows. */
uint32_t eq_port_stack_bytes(void);

/* Called between calls of the model, where a system has other work to do. */
void eq_port_idle(void);

#endif
