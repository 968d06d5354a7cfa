#include "eq_listen.h"

#include <string.h>

#include "{{ listener.name }}.h"
#include "eq_app.h"

static int16_t halves[2][EQ_LISTEN_SAMPLES];
static int16_t heard[EQ_LISTEN_SAMPLES]; /* a copy, as a call of the model may outlast its half */
/* Twice how many halves were filled, and which was the last: one word, never read half. */
static volatile uint32_t filled;
static uint32_t taken; /* halves that the program has done with */
static uint32_t lost;

int16_t *eq_listen_half(unsigned half)
{
    return halves[half & 1U];
}

void eq_listen_filled(unsigned half)
{
    filled = (((filled >> 1) + 1U) << 1) | (half & 1U);
}

uint32_t eq_listen_lost(void)
{
    const uint32_t behind = ((filled >> 1) - taken) & (UINT32_MAX >> 1);
    return behind > 1U ? lost + behind - 1U : lost;
}

void eq_listen_poll(void)
{
    for (;;) {
        const uint32_t now = filled;
        if (now >> 1 == taken) {
            return;
        }
        /* All but the last half are being overwritten, or were. */
        lost += ((now >> 1) - taken - 1U) & (UINT32_MAX >> 1);
        taken = now >> 1;
        memcpy(heard, halves[now & 1U], sizeof(heard));
        eq_listen_samples(heard, EQ_LISTEN_SAMPLES);
    }
}

{% if listener.stream.decision %}
void eq_listen_samples(const int16_t *samples, uint32_t count)
{
    static const char *const labels[] = {{ listener.name | upper }}_EVENT_LABELS;
    {{ listener.name }}_event event;
    (void){{ listener.name }}_push(samples, count);
    while ({{ listener.name }}_decision(&event) != 0) {
        /* Your own work in place of these words. */
        eq_app_say("edgeq {{ listener.name }}: ");
        eq_app_say(labels[event.label]);
        eq_app_say(", score ");
        eq_app_say_number((uint32_t)event.score * 100U / 32768U);
        eq_app_say("%, sample ");
        eq_app_say_number(event.sample);
        eq_app_say("\r\n");
    }
}
{% else %}
void eq_listen_samples(const int16_t *samples, uint32_t count)
{
    if ({{ listener.name }}_push(samples, count) > 0) {
        /* Your own work: {{ listener.name }}_output() is the newest answer. */
        eq_app_say("edgeq {{ listener.name }}: an answer\r\n");
    }
}
{% endif %}
