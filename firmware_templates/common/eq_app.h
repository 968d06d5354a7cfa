/* The application around the models: self-test, then the serial protocol. */
#ifndef EQ_APP_H
#define EQ_APP_H

#include <stdint.h>

/* Runs each model's self-test and says PASS or FAIL on the port. Returns the number of failures. */
int eq_app_selftest(void);

/* Says a text, or a number, on the port. */
void eq_app_say(const char *text);
void eq_app_say_number(uint32_t value);

/* Answers what has come in on the port, then returns; to be called again and again. */
void eq_app_poll(void);

#endif
