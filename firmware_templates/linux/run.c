/* {{ models[0].name }} over a file: run INPUT OUTPUT
 * INPUT holds the input tensors of one call after the other{% if models[0].inputs | length == 1 %} ({{ models[0].inputs[0].bytes }} bytes each){% endif %}; OUTPUT gets the
 * output tensors in the same way. Calls are made in order. */
#include <stdio.h>
#include <stdlib.h>

#include "{{ models[0].name }}_api.h"

static {{ models[0].name }}_state state;

int main(int argc, char **argv)
{
    FILE *input;
    FILE *output;
    long calls = 0;
    int failed;
    if (argc != 3) {
        fprintf(stderr, "usage: %s INPUT OUTPUT\n", argv[0]);
        return 2;
    }
    input = fopen(argv[1], "rb");
    if (input == NULL) {
        perror(argv[1]);
        return 1;
    }
    output = fopen(argv[2], "wb");
    if (output == NULL) {
        perror(argv[2]);
        return 1;
    }
    {{ models[0].name }}_setup(&state);
    for (;;) {
        size_t got = 0;
{% for tensor in models[0].inputs %}
        got += fread({{ tensor.function }}(&state), 1, {{ tensor.bytes }}, input);
{% endfor %}
        if (got == 0) {
            break;
        }
        if (got != {{ models[0].inputs | sum(attribute="bytes") }}) {
            fprintf(stderr, "%s ends in the middle of call %ld\n", argv[1], calls);
            return 1;
        }
        {{ models[0].name }}_invoke(&state);
{% for tensor in models[0].outputs %}
        fwrite({{ tensor.function }}(&state), 1, {{ tensor.bytes }}, output);
{% endfor %}
        calls++;
    }
    failed = ferror(input) || ferror(output);
    failed |= fclose(output) != 0;
    if (failed) {
        fprintf(stderr, "reading or writing failed\n");
        return 1;
    }
    printf("%ld calls\n", calls);
    return 0;
}
