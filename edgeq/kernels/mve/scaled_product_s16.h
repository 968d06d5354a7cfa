/* MUL, int16, with MVE: eight values at a time in the reference's own arithmetic, as
 * eq_scaled_product_mve.h. Zero points are zero; 14 instructions for eight products of two tensors,
 * 13 with one value.
 */
#ifndef EQ_SCALED_PRODUCT_S16_MVE_H
#define EQ_SCALED_PRODUCT_S16_MVE_H

#include "eq_scaled_product_mve.h"

/* clang-format off */
#define EQ_SCALED_PRODUCT_ROW_S16_MVE(load, load_some, second) \
    __asm__ volatile( \
        "ldm %[words], {r10, r11}\n\t" \
        "wls lr, %[eights], 2f\n" \
        "1:\n\t" \
        "vldrh.u16 q0, [%[a]], #16\n\t" \
        load \
        EQ_SCALED_PRODUCTS_MVE(second) \
        "vstrh.16 q0, [%[to]], #16\n\t" \
        "le lr, 1b\n" \
        "2:\n\t" \
        "cbz %[rest], 3f\n\t" \
        "vctp.16 %[rest]\n\t" \
        "vpst\n\t" \
        "vldrht.u16 q0, [%[a]]\n\t" \
        load_some \
        EQ_SCALED_PRODUCTS_MVE(second) \
        "vpst\n\t" \
        "vstrht.16 q0, [%[to]]\n" \
        "3:" \
        : [a] "+l"(a), [b] "+l"(b), [to] "+l"(output) \
        : [eights] "r"(p->shape.size[5] / 8), [rest] "l"(p->shape.size[5] % 8), \
          [words] "l"(words), [value] "w"(value) \
        : "r10", "r11", "lr", "q0", "q1", "q2", "q3", "memory")
/* clang-format on */

/* One row; with `spread` all of it is multiplied with one value of input 2. */
EQ_KERNEL void eq_scaled_product_row_mve_s16(const eq_scaled_product_mve_params *p,
                                             const int16_t *a, const int16_t *b, int16_t *output,
                                             int spread)
{
    const int32_t words[2] = {p->multiplier, p->shift};
    const int16x8_t value = vdupq_n_s16(*b);
    if (spread) {
        EQ_SCALED_PRODUCT_ROW_S16_MVE("", "", "%q[value]");
    } else {
        EQ_SCALED_PRODUCT_ROW_S16_MVE("vldrh.u16 q1, [%[b]], #16\n\t",
                                      "vpst\n\tvldrht.u16 q1, [%[b]]\n\t", "q1");
    }
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_scaled_product_mve_s16(const eq_scaled_product_mve_params *p,
                                         const int16_t *input1, const int16_t *input2,
                                         int16_t *output)
{
    EQ_FOR_PAIR_ROWS(&p->shape, i, j)
    {
        eq_scaled_product_row_mve_s16(p, input1 + i, input2 + j, output, p->shape.step2[5] == 0);
        output += p->shape.size[5];
    }
}

#endif
