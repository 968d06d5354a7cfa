#include "eq_listen.h"

#include "{{ listener.name }}.h"
#include "eq_app.h"

static int16_t halves[2][EQ_LISTEN_SAMPLES];
static volatile uint8_t full[2]; /* set by the interrupt, cleared by the program */
static volatile uint32_t lost;
static unsigned next; /* the half that is taken next */

int16_t *eq_listen_half(unsigned half)
{
    return halves[half & 1U];
}

void eq_listen_filled(unsigned half)
{
    if (full[half & 1U] != 0U) {
        lost = lost + 1U;
    }
    full[half & 1U] = 1U;
}

uint32_t eq_listen_lost(void)
{
    return lost;
}

void eq_listen_poll(void)
{
    while (full[next] != 0U) {
        eq_listen_samples(halves[next], EQ_LISTEN_SAMPLES);
        full[next] = 0U;
        next ^= 1U;
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
