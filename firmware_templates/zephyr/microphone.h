#ifndef MICROPHONE_H
#define MICROPHONE_H

/* Listens for as long as the microphone works, then returns -1. */
int microphone_listen(void);

#endif
