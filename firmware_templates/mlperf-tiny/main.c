/* Answers the serial commands of MLPerf Tiny's runner: each ends in '%', each answer in m-ready. */
#include <string.h>

#include "board.h"
#include "eq_models.h"
#include "eq_port.h"

enum { COMMAND = 160, INPUT_BYTES = {{ input.bytes }}, ELEMENTS = {{ input.elements }}, RESULTS = {{ output.elements }} };

#define VERSION "{{ benchmark }}"
#define INPUT_SCALE {{ input.scale }}f
#define INPUT_ZERO_POINT ({{ input.zero_point }})
#define OUTPUT_SCALE {{ output.scale }}f
#define OUTPUT_ZERO_POINT ({{ output.zero_point }})

/* The runner sends pixels from 0 to 255; the tensor wants them 128 lower. */
#define INPUT_FLIP 0x{{ "%02X" | format(128 if is_image else 0) }}U

/* A call may overwrite its input, and the runner repeats calls: the input is kept here. */
static uint8_t loaded[INPUT_BYTES];
static uint32_t expected; /* bytes announced by "db load" */
static uint32_t received;
static uint8_t number[4]; /* bytes of a float that is coming in */
static uint64_t time_cycles;
static uint32_t last_cycles;

static void print(const char *text)
{
    while (*text != '\0') {
        eq_port_put((uint8_t)*text);
        text++;
    }
}

static void print_number(uint32_t value)
{
    char digits[11];
    unsigned at = sizeof digits - 1U;
    digits[at] = '\0';
    do {
        at--;
        digits[at] = (char)('0' + (char)(value % 10U));
        value /= 10U;
    } while (value != 0U);
    print(&digits[at]);
}

/* Three decimals, as the runner expects them. */
static void print_thousandths(float value)
{
    if (value < 0.0f) {
        print("-");
        value = -value;
    }
    const uint32_t thousandths = (uint32_t)(value * 1000.0f + 0.5f);
    print_number(thousandths / 1000U);
    const uint32_t rest = thousandths % 1000U;
    print(rest < 10U ? ".00" : rest < 100U ? ".0" : ".");
    print_number(rest);
}

static void print_hex(uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    eq_port_put((uint8_t)digits[byte >> 4]);
    eq_port_put((uint8_t)digits[byte & 15U]);
}

static void take_time(void)
{
    const uint32_t now = eq_port_cycles();
    time_cycles += now - last_cycles;
    last_cycles = now;
}

static void timestamp(void)
{
    take_time();
    print("m-lap-us-");
    print_number((uint32_t)(time_cycles * 1000000U / EQ_CLOCK_HZ));
    print("\r\n");
}

/* Number at the start of `text`, or `otherwise`; *after is set behind it and the next blank. */
static uint32_t read_number(const char *text, uint32_t otherwise, const char **after)
{
    uint32_t value = 0;
    const char *at = text;
    while (*at >= '0' && *at <= '9') {
        value = value * 10U + (uint32_t)(*at - '0');
        at++;
    }
    const uint32_t result = at == text ? otherwise : value;
    while (*at == ' ') {
        at++;
    }
    *after = at;
    return result;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static int8_t quantized(float value)
{
    float scaled = value / INPUT_SCALE + (float)INPUT_ZERO_POINT;
    scaled = scaled < -128.0f ? -128.0f : scaled > 127.0f ? 127.0f : scaled;
    return (int8_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
}

/* One byte of the input: of the tensor itself, or of floats four times as long. */
static void load_byte(uint8_t byte)
{
    if (expected == 4U * (uint32_t)ELEMENTS && INPUT_BYTES == ELEMENTS) {
        number[received % 4U] = byte;
        if (received % 4U == 3U) {
            float value = 0.0f;
            memcpy(&value, number, sizeof value);
            loaded[received / 4U] = (uint8_t)quantized(value);
        }
    } else if (received < (uint32_t)INPUT_BYTES) {
        loaded[received] = (uint8_t)(byte ^ INPUT_FLIP);
    }
    received++;
}

static void load_digits(const char *digits)
{
    if (strlen(digits) % 2U != 0U) {
        print("e-[Insufficent number of hex digits]\r\n");
        return;
    }
    for (; *digits != '\0' && received < expected; digits += 2) {
        const int high = hex_digit(digits[0]);
        const int low = hex_digit(digits[1]);
        if (high < 0 || low < 0) {
            print("e-[Invalid hex digit]\r\n");
            return;
        }
        load_byte((uint8_t)(high * 16 + low));
        if (received == expected) {
            print("m-load-done\r\n");
        }
    }
}

static void print_buffer(void)
{
    for (uint32_t i = 0; i < (uint32_t)INPUT_BYTES && i < expected; i++) {
        print(i % 8U == 0U ? "m-buffer-" : "-");
        print_hex((uint8_t)(loaded[i] ^ INPUT_FLIP));
        if (i % 8U == 7U || i + 1U == (uint32_t)INPUT_BYTES || i + 1U == expected) {
            print("\r\n");
        }
    }
}

static void buffer_command(const char *arguments)
{
    const char *after = arguments;
    if (*arguments == '\0') {
        print("e-[Command 'db' requires a subcommand]\r\n");
    } else if (strncmp(arguments, "load", 4) == 0) {
        const char *count = arguments + 4;
        while (*count == ' ') {
            count++;
        }
        expected = read_number(count, 0, &after);
        received = 0;
        if (expected == 0U) {
            print("e-[Command 'db load' must be >0 bytes]\r\n");
            return;
        }
        print("m-[Expecting ");
        print_number(expected);
        print(" bytes]\r\n");
    } else if (strncmp(arguments, "print", 5) == 0) {
        print_buffer();
    } else {
        load_digits(arguments);
    }
}

static float output_value(uint32_t index)
{
    const uint8_t *output = eq_model_output(0, 0);
    return (float)((int8_t)output[index] - OUTPUT_ZERO_POINT) * OUTPUT_SCALE;
}

static void results(void)
{
    print("m-results-[");
{% if is_autoencoder %}
    /* An autoencoder's result is its error: the mean of the squared differences. */
    float sum = 0.0f;
    for (uint32_t i = 0; i < (uint32_t)RESULTS; i++) {
        const float input = (float)((int8_t)loaded[i] - INPUT_ZERO_POINT) * INPUT_SCALE;
        const float difference = output_value(i) - input;
        sum += difference * difference;
    }
    print_thousandths(sum / (float)RESULTS);
{% else %}
    for (uint32_t i = 0; i < (uint32_t)RESULTS; i++) {
        print(i == 0U ? "" : ",");
        print_thousandths(output_value(i));
    }
{% endif %}
    print("]\r\n");
}

static void run(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(eq_model_input(0, 0), loaded, sizeof loaded);
        eq_model_invoke(0);
        take_time();
    }
}

static void infer(const char *arguments)
{
    const char *after = arguments;
    const uint32_t count = read_number(arguments, 1, &after);
    const uint32_t warmup = read_number(after, *arguments == '\0' ? 10U : 0U, &after);
    if (count == 0U) {
        print("e-[Inference iterations must be >0]\r\n");
        return;
    }
    print("m-warmup-start-");
    print_number(warmup);
    print("\r\n");
    run(warmup);
    print("m-warmup-done\r\nm-infer-start-");
    print_number(count);
    print("\r\n");
    timestamp();
    run(count);
    timestamp();
    print("m-infer-done\r\n");
    results();
}

static void execute(char *command)
{
    char *arguments = strchr(command, ' ');
    if (arguments != NULL) {
        *arguments = '\0';
        arguments++;
    } else {
        arguments = command + strlen(command);
    }
    if (strcmp(command, "name") == 0) {
        print("m-name-dut-[edgeq]\r\n");
    } else if (strcmp(command, "timestamp") == 0) {
        timestamp();
    } else if (strcmp(command, "profile") == 0) {
        print("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[" VERSION "]\r\n");
    } else if (strcmp(command, "help") == 0) {
        print("name, timestamp, profile, db load N, db HEX, db print, infer N [W], results\r\n");
    } else if (strcmp(command, "db") == 0) {
        buffer_command(arguments);
    } else if (strcmp(command, "infer") == 0) {
        infer(arguments);
    } else if (strcmp(command, "results") == 0) {
        results();
    } else {
        print("e-[Unknown command: ");
        print(command);
        print("]\r\n");
    }
    print("m-ready\r\n");
}

int main(void)
{
    static char command[COMMAND];
    uint32_t length = 0;
    board_init();
    eq_models_init();
    eq_port_cycles_start();
    last_cycles = eq_port_cycles();
    print("m-timestamp-mode-performance\r\nm-init-done\r\nm-ready\r\n");
    for (;;) {
        const int byte = eq_port_get();
        if (byte == '%') {
            command[length] = '\0';
            execute(command);
            length = 0;
        } else if (byte >= ' ' && length < (uint32_t)COMMAND - 1U) {
            command[length] = (char)byte;
            length++;
        }
    }
}
