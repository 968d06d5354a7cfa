// {{ listener.name }} with the board's PDM microphone: the interrupt fills one half of a buffer while
// loop() takes the other.
#include <PDM.h>
#include <eq_arduino.h>

extern "C" {
#include "eq_listen.h"
}

static unsigned half = 0;
static int filled = 0; // samples in that half

static void on_samples()
{
    int left = PDM.available() / 2;
    while (left > 0) {
        const int room = EQ_LISTEN_SAMPLES - filled;
        const int count = left < room ? left : room;
        PDM.read(eq_listen_half(half) + filled, static_cast<size_t>(count) * 2U);
        left -= count;
        filled += count;
        if (filled == EQ_LISTEN_SAMPLES) {
            eq_listen_filled(half);
            half ^= 1U;
            filled = 0;
        }
    }
}

void setup()
{
    eq_arduino_begin(115200);
    PDM.onReceive(on_samples);
    PDM.begin(1, EQ_LISTEN_RATE);
}

void loop()
{
    eq_listen_poll();
}
