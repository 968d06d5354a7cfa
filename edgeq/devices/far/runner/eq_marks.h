/* Forced in front of generated code: notes the time before every op, when asked to. */
#ifndef EQ_MARKS_H
#define EQ_MARKS_H

extern int eq_marking;
void eq_mark(int op);
#define EQ_OP(i)                                                                                   \
    if (eq_marking) {                                                                              \
        eq_mark(i);                                                                                \
    }

#endif
