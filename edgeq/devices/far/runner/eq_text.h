/* Text that grows, JSON lines of one flat object, base64. */
#ifndef EQ_TEXT_H
#define EQ_TEXT_H

#include <stddef.h>

struct eq_text {
    char *data; /* always ends in a zero byte once something was added */
    size_t length;
    size_t room;
};

void eq_text_clear(struct eq_text *text);
void eq_text_bytes(struct eq_text *text, const char *bytes, size_t count);
void eq_text_add(struct eq_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes; bytes beyond ASCII become question marks. */
void eq_text_quoted(struct eq_text *text, const char *bytes);
void eq_text_base64(struct eq_text *text, const unsigned char *bytes, size_t count);
/* Writes everything, then clears the text; 0 or -1. */
int eq_text_send(struct eq_text *text, int descriptor);

/* Decodes base64 in place; the number of bytes. Characters of no meaning are skipped. */
size_t eq_base64_decode(char *text);

/* The value of a key as text, unescaped into `into`, or "" where the line has no such key. */
void eq_json_text(const char *line, const char *key, struct eq_text *into);
double eq_json_number(const char *line, const char *key, double missing);

#endif
