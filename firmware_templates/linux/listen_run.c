{% set own = models[0] %}
/* {{ own.name }} over a recording: run INPUT OUTPUT
 * INPUT is a .wav file of one channel and 16 bits, or the samples alone; OUTPUT gets the output
 * tensors of each answer. Events are printed. */
#include <stdio.h>
#include <string.h>

#include "{{ own.name }}_api.h"

static {{ own.name }}_state state;
/* No more than lead to one answer. */
static {{ own.sample_ctype }} samples[{{ [own.answer_step, 4096] | min }}];
{% set is_sound = own.stream.dtype == "int16" and own.stream.axes == 1 %}
{% if is_sound %}

static uint32_t number(const unsigned char *bytes, int count)
{
    uint32_t value = 0;
    while (count-- > 0) {
        value = value << 8 | bytes[count];
    }
    return value;
}

/* Go to the samples of a .wav file: NULL, or what is wrong with it. What is no .wav file holds
 * samples from its beginning on. */
static const char *find_samples(FILE *file, uint32_t *left)
{
    unsigned char head[16];
    if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) != 0) {
        rewind(file);
        return NULL;
    }
    while (fread(head, 1, 8, file) == 8) {
        uint32_t bytes = number(head + 4, 4);
        if (memcmp(head, "data", 4) == 0) {
            *left = bytes / 2U;
            return NULL;
        }
        if (memcmp(head, "fmt ", 4) == 0) {
            if (bytes < 16U || fread(head, 1, 16, file) != 16 || number(head + 2, 2) != 1U ||
                number(head + 14, 2) != 16U) {
                return "is not of one channel and 16 bits";
            }
            if (number(head + 4, 4) != {{ own.name | upper }}_SAMPLE_RATE) {
                return "is not of {{ own.stream.rate_hz }} Hz";
            }
            bytes -= 16U;
        }
        if (fseek(file, (long)(bytes + bytes % 2U), SEEK_CUR) != 0) {
            break;
        }
    }
    return "holds no samples";
}
{% endif %}

int main(int argc, char **argv)
{
    FILE *input;
    FILE *output;
    long answers = 0;
    uint32_t left = UINT32_MAX;
    size_t got;
    int failed;
{% if is_sound %}
    const char *problem;
{% endif %}
{% if own.stream.decision %}
    {{ own.name }}_event event;
{% endif %}
    if (argc != 3) {
        fprintf(stderr, "usage: %s INPUT OUTPUT\n", argv[0]);
        return 2;
    }
    input = fopen(argv[1], "rb");
    if (input == NULL) {
        perror(argv[1]);
        return 1;
    }
{% if is_sound %}
    problem = find_samples(input, &left);
    if (problem != NULL) {
        fprintf(stderr, "%s %s\n", argv[1], problem);
        return 1;
    }
{% endif %}
    output = fopen(argv[2], "wb");
    if (output == NULL) {
        perror(argv[2]);
        return 1;
    }
    {{ own.name }}_setup(&state);
    do {
        size_t wanted = sizeof(samples) / sizeof(samples[0]);
        wanted = wanted < left ? wanted : left;
        got = fread(samples, sizeof(samples[0]), wanted, input);
        left -= (uint32_t)got;
        if ({{ own.name }}_push(&state, samples, (uint32_t)got) > 0) {
{% for tensor in own.outputs %}
            fwrite({{ tensor.function }}(&state), 1, {{ tensor.bytes }}, output);
{% endfor %}
            answers++;
        }
{% if own.stream.decision %}
        while ({{ own.name }}_decision(&state, &event)) {
            printf("%lu %s %.3f\n", (unsigned long)event.sample, {{ own.name }}_label(event.label),
                   event.score / 32768.0);
        }
{% endif %}
    } while (got > 0);
    failed = ferror(input) || ferror(output);
    failed |= fclose(output) != 0;
    if (failed) {
        fprintf(stderr, "reading or writing failed\n");
        return 1;
    }
    printf("%ld answers\n", answers);
    return 0;
}
