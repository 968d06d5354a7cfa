/* A microphone's samples on their way to {{ listener.name }}: while a DMA fills one half of a
 * buffer, the program takes the other.
 */
#ifndef EQ_LISTEN_H
#define EQ_LISTEN_H

#include <stdint.h>

enum {
    EQ_LISTEN_RATE = {{ listener.stream.rate_hz }}, /* Hz, 16 bits, one channel */
    EQ_LISTEN_SAMPLES = {{ [listener.stream.rate_hz // 50, 16] | max }} /* in a half: 20 ms */
};

/* Where the samples of half 0 or 1 go. */
int16_t *eq_listen_half(unsigned half);

/* To be called from the interrupt: this half is full, and the other one is being filled. Where the
 * core has a data cache, the half is invalidated before. */
void eq_listen_filled(unsigned half);

/* Halves that the program did not take before the next one was full, as when it needs longer than
 * two halves last: their samples are lost, and those of the next half follow. */
uint32_t eq_listen_lost(void);

/* To be called again and again: takes the half that is full. */
void eq_listen_poll(void);

/* The same for samples that lie somewhere else, such as in a driver's own buffers. */
void eq_listen_samples(const int16_t *samples, uint32_t count);

#endif
