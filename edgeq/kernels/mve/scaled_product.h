/* MUL, int8, with MVE: eight values at a time in the reference's own arithmetic, a row of the last
 * axis after the other. 18 instructions for eight products of two tensors, 16 with one value.
 */
#ifndef EQ_SCALED_PRODUCT_MVE_H
#define EQ_SCALED_PRODUCT_MVE_H

#include <arm_mve.h>

#include "eq_base.h"
#include "eq_broadcast.h"
#include "eq_requantize_mve.h"

typedef struct {
    eq_broadcast shape;
    int32_t input1_offset, input2_offset;
    int32_t multiplier, shift; /* negative for right, at least one */
    eq_scale_mve scale;
} eq_scaled_product_mve_params;

/* clang-format off */
/* Eight scaled products in q0. The high multiplication adds to the sign of the product, see
 * eq_fully_connected_mve.h. */
#define EQ_SCALED_PRODUCTS_MVE(second) \
    "vmullb.s16 q2, q0, " second "\n\t" \
    "vmullt.s16 q3, q0, " second "\n\t" \
    "vshr.s32 q0, q2, #31\n\t" \
    "vqrdmlah.s32 q0, q2, r10\n\t" \
    "vshr.s32 q2, q3, #31\n\t" \
    "vqrdmlah.s32 q2, q3, r10\n\t" \
    "vrshl.s32 q0, r11\n\t" \
    "vrshl.s32 q2, r11\n\t" \
    "vqmovnb.s32 q0, q0\n\t" \
    "vqmovnt.s32 q0, q2\n\t"
#define EQ_SCALED_PRODUCT_EIGHT_MVE(add, second) \
    "vadd.i16 q0, q0, r8\n\t" \
    add \
    EQ_SCALED_PRODUCTS_MVE(second) \
    "vqadd.s16 q0, q0, r12\n\t" \
    "vqmovnb.s16 q0, q0\n\t"

/* Whole eights, then the rest: only loads and stores are predicated, as products of two values next to
 * each other lie in different vectors. */
#define EQ_SCALED_PRODUCT_ROW_MVE(load, load_some, add, second) \
    __asm__ volatile( \
        "ldm %[words], {r8, r9, r10, r11, r12}\n\t" \
        "wls lr, %[eights], 2f\n" \
        "1:\n\t" \
        "vldrb.s16 q0, [%[a]], #8\n\t" \
        load \
        EQ_SCALED_PRODUCT_EIGHT_MVE(add, second) \
        "vstrb.16 q0, [%[to]], #8\n\t" \
        "le lr, 1b\n" \
        "2:\n\t" \
        "cbz %[rest], 3f\n\t" \
        "vctp.16 %[rest]\n\t" \
        "vpst\n\t" \
        "vldrbt.s16 q0, [%[a]]\n\t" \
        load_some \
        EQ_SCALED_PRODUCT_EIGHT_MVE(add, second) \
        "vpst\n\t" \
        "vstrbt.16 q0, [%[to]]\n" \
        "3:" \
        : [a] "+l"(a), [b] "+l"(b), [to] "+l"(output) \
        : [eights] "r"(p->shape.size[5] / 8), [rest] "l"(p->shape.size[5] % 8), \
          [words] "l"(words), [value] "w"(value) \
        : "r8", "r9", "r10", "r11", "r12", "lr", "q0", "q1", "q2", "q3", "memory")
/* clang-format on */

/* One row; with `spread` all of it is multiplied with one value of input 2. */
EQ_KERNEL void eq_scaled_product_row_mve(const eq_scaled_product_mve_params *p, const int8_t *a,
                                         const int8_t *b, int8_t *output, int spread)
{
    const int32_t words[5] = {p->input1_offset, p->input2_offset, p->multiplier, p->shift,
                              p->scale.output_offset};
    const int16x8_t value = vdupq_n_s16((int16_t)(*b + p->input2_offset));
    if (spread) {
        EQ_SCALED_PRODUCT_ROW_MVE("", "", "", "%q[value]");
    } else {
        EQ_SCALED_PRODUCT_ROW_MVE("vldrb.s16 q1, [%[b]], #8\n\t",
                                  "vpst\n\tvldrbt.s16 q1, [%[b]]\n\t", "vadd.i16 q1, q1, r9\n\t",
                                  "q1");
    }
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_scaled_product_mve_s8(const eq_scaled_product_mve_params *p, const int8_t *input1,
                                        const int8_t *input2, int8_t *output)
{
    int8_t *row = output;
    EQ_FOR_PAIR_ROWS(&p->shape, i, j)
    {
        eq_scaled_product_row_mve(p, input1 + i, input2 + j, row, p->shape.step2[5] == 0);
        row += p->shape.size[5];
    }
    eq_clamp_mve(&p->scale, output, (int32_t)(row - output));
}

#endif
