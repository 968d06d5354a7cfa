#include "eq_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void make_room(struct eq_text *text, size_t more)
{
    size_t needed = text->length + more + 1u;
    if (needed <= text->room) {
        return;
    }
    size_t room = text->room * 2u > needed ? text->room * 2u : needed;
    char *data = realloc(text->data, room);
    if (data == NULL) {
        _exit(12); /* the supervisor reports it: ENOMEM */
    }
    text->data = data;
    text->room = room;
}

void eq_text_clear(struct eq_text *text)
{
    make_room(text, 0);
    text->length = 0;
    text->data[0] = '\0';
}

void eq_text_bytes(struct eq_text *text, const char *bytes, size_t count)
{
    make_room(text, count);
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

void eq_text_add(struct eq_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (count < 0) {
        return;
    }
    make_room(text, (size_t)count);
    va_start(arguments, format);
    (void)vsnprintf(text->data + text->length, (size_t)count + 1u, format, arguments);
    va_end(arguments);
    text->length += (size_t)count;
}

void eq_text_quoted(struct eq_text *text, const char *bytes)
{
    eq_text_bytes(text, "\"", 1);
    for (; *bytes != '\0'; bytes++) {
        unsigned char byte = (unsigned char)*bytes;
        if (byte == '"' || byte == '\\') {
            eq_text_add(text, "\\%c", byte);
        } else if (byte < 0x20u) {
            eq_text_add(text, "\\u%04x", byte);
        } else {
            char plain = byte < 0x7fu ? (char)byte : '?';
            eq_text_bytes(text, &plain, 1);
        }
    }
    eq_text_bytes(text, "\"", 1);
}

void eq_text_base64(struct eq_text *text, const unsigned char *bytes, size_t count)
{
    make_room(text, (count + 2u) / 3u * 4u);
    for (size_t i = 0; i < count; i += 3) {
        unsigned value = (unsigned)bytes[i] << 16;
        value |= i + 1 < count ? (unsigned)bytes[i + 1] << 8 : 0u;
        value |= i + 2 < count ? (unsigned)bytes[i + 2] : 0u;
        char four[4] = {ALPHABET[value >> 18], ALPHABET[(value >> 12) & 63u],
                        i + 1 < count ? ALPHABET[(value >> 6) & 63u] : '=',
                        i + 2 < count ? ALPHABET[value & 63u] : '='};
        eq_text_bytes(text, four, 4);
    }
}

int eq_text_send(struct eq_text *text, int descriptor)
{
    size_t done = 0;
    while (done < text->length) {
        ssize_t count = write(descriptor, text->data + done, text->length - done);
        if (count < 0 && errno != EINTR) {
            return -1;
        }
        done += count > 0 ? (size_t)count : 0u;
    }
    eq_text_clear(text);
    return 0;
}

static int digit_of(char letter)
{
    const char *found = letter != '\0' ? strchr(ALPHABET, letter) : NULL;
    return found != NULL ? (int)(found - ALPHABET) : -1;
}

size_t eq_base64_decode(char *text)
{
    unsigned value = 0;
    int bits = 0;
    size_t count = 0;
    for (const char *from = text; *from != '\0'; from++) {
        int digit = digit_of(*from);
        if (digit < 0) {
            continue;
        }
        value = (value << 6) | (unsigned)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            text[count++] = (char)(unsigned char)(value >> bits);
        }
    }
    return count;
}

/* The end of the string that starts behind the quote at `at`: its closing quote. */
static const char *string_end(const char *at)
{
    while (*at != '\0' && *at != '"') {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return at;
}

/* Where the value of `key` starts; NULL without it. Objects are flat: no value holds another. */
static const char *find(const char *line, const char *key)
{
    size_t length = strlen(key);
    const char *at = strchr(line, '{');
    while (at != NULL && (at = strchr(at, '"')) != NULL) {
        const char *end = string_end(at + 1);
        int same = (size_t)(end - at - 1) == length && strncmp(at + 1, key, length) == 0;
        at = strchr(end, ':');
        if (at == NULL) {
            return NULL;
        }
        at += 1 + strspn(at + 1, " ");
        if (same) {
            return at;
        }
        if (*at == '"') {
            at = string_end(at + 1);
            at += *at == '"' ? 1 : 0;
        }
    }
    return NULL;
}

static void add_code_point(struct eq_text *into, unsigned long code)
{
    char bytes[4];
    size_t count = code < 0x80u ? 1u : code < 0x800u ? 2u : code < 0x10000u ? 3u : 4u;
    static const unsigned char LEADS[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = count - 1u; i > 0; i--) {
        bytes[i] = (char)(0x80u | (code & 0x3fu));
        code >>= 6;
    }
    bytes[0] = (char)(unsigned char)(LEADS[count] | code);
    eq_text_bytes(into, bytes, count);
}

static unsigned long hex4(const char *at)
{
    char digits[5] = {0};
    strncpy(digits, at, 4);
    return strtoul(digits, NULL, 16);
}

/* Adds the character that the escape at `at` (behind the backslash) means; where it ends. */
static const char *unescape(const char *at, struct eq_text *into)
{
    static const char NAMES[] = "nrtbf";
    static const char MEANT[] = "\n\r\t\b\f";
    if (*at == 'u' && strlen(at) >= 5) {
        unsigned long code = hex4(at + 1);
        at += 5;
        if (code >= 0xd800u && code < 0xdc00u && at[0] == '\\' && at[1] == 'u' && strlen(at) >= 6) {
            code = 0x10000u + ((code - 0xd800u) << 10) + (hex4(at + 2) - 0xdc00u);
            at += 6;
        }
        add_code_point(into, code);
        return at;
    }
    const char *name = strchr(NAMES, *at);
    eq_text_bytes(into, name != NULL && *at != '\0' ? &MEANT[name - NAMES] : at, 1);
    return at + 1;
}

void eq_json_text(const char *line, const char *key, struct eq_text *into)
{
    eq_text_clear(into);
    const char *at = find(line, key);
    if (at == NULL || *at != '"') {
        return;
    }
    const char *end = string_end(at + 1);
    for (at++; at < end;) {
        size_t plain = 0;
        while (at + plain < end && at[plain] != '\\') {
            plain++;
        }
        eq_text_bytes(into, at, plain);
        at += plain;
        if (at < end) {
            at = unescape(at + 1, into);
        }
    }
}

double eq_json_number(const char *line, const char *key, double missing)
{
    const char *at = find(line, key);
    if (at == NULL || *at == '"') {
        return missing;
    }
    if (*at == 't') {
        return 1.0;
    }
    char *end = NULL;
    double value = strtod(at, &end);
    return end != at ? value : *at == 'f' ? 0.0 : missing;
}
