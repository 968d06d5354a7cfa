/* Forced in front of generated code: notes in the section .eq_marks, which is not loaded, at
 * which address op number `i` begins. The running code does not change by one instruction. */
#define EQ_MARK_TEXT(i) #i
#define EQ_OP(i)                                                                                   \
    __asm__ volatile(                                                                              \
        "1:\n\t.pushsection .eq_marks,\"\"\n\t.long " EQ_MARK_TEXT(i) ", 1b\n\t.popsection"        \
        :                                                                                          \
        :                                                                                          \
        : "memory");
