#ifndef MICROPHONE_H
#define MICROPHONE_H

/* Listens, and does not return. */
void microphone_listen(void);

#endif
