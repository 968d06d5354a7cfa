#ifndef MICROPHONE_H
#define MICROPHONE_H

/* Listens for as long as the microphone works. */
void microphone_listen(void);

#endif
