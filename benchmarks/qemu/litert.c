/* LIBRARY MODEL CALLS: calls of a model by libLiteRt.so on one thread, and nothing printed. */
#include <stdio.h>
#include <stdlib.h>

#include "eq_backend.h"

int main(int count, char **values)
{
    struct eq_options options = {.delegate = "", .threads = 1};
    if (count != 4) {
        return 2;
    }
    options.library = values[1];
    options.model = values[2];
    if (eq_backend_load(&options) != 0) {
        (void)fprintf(stderr, "%s\n", eq_backend_error());
        return 1;
    }
    for (int k = 0; k < eq_backend_inputs(); k++) {
        const size_t bytes = eq_backend_input(k)->bytes;
        unsigned char *data = malloc(bytes);
        unsigned int state = 1;
        for (size_t i = 0; data != NULL && i < bytes; i++) {
            state = state * 1103515245u + 12345u;
            data[i] = (unsigned char)(state >> 16);
        }
        if (data == NULL || eq_backend_write(k, data) != 0) {
            return 1;
        }
        free(data);
    }
    for (int i = 0; i < atoi(values[3]); i++) {
        if (eq_backend_invoke() != 0) {
            (void)fprintf(stderr, "%s\n", eq_backend_error());
            return 1;
        }
    }
    _Exit(0); /* the library's own end is not of interest, and slow */
}
