/* The process that holds one model: loads it, runs it, times it, and is thrown away. */
#ifndef EQ_WORKER_H
#define EQ_WORKER_H

/* Obeys commands from one pipe, answers into another, until the first one ends. */
void eq_worker(int commands, int answers);

#endif
