/* The application around the models: self-test, then the serial protocol. */
#ifndef EQ_APP_H
#define EQ_APP_H

/* Runs each model's self-test and says PASS or FAIL on the port. Returns the number of failures. */
int eq_app_selftest(void);

/* Answers what has come in on the port, then returns; to be called again and again. */
void eq_app_poll(void);

#endif
