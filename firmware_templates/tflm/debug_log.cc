/* TFLM's messages go out through the port. */
#include <stdarg.h>
#include <stdio.h>

#include "tensorflow/lite/micro/debug_log.h"

extern "C" {
#include "eq_port.h"

void DebugLog(const char *format, va_list arguments)
{
    char text[128];
    vsnprintf(text, sizeof text, format, arguments);
    for (const char *at = text; *at != '\0'; at++) {
        eq_port_put(static_cast<uint8_t>(*at));
    }
}

int DebugVsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    return vsnprintf(buffer, size, format, arguments);
}
}
