/* LOGISTIC and TANH of 16-bit numbers for cores with the DSP extension, to the bit what
 * eq_sigmoid_s16.h computes.
 *
 * The table holds the nodes of both halves, sigmoid(n / 24) in Q16 less 32768 for n = -256..256; it
 * is odd, so a piece between two nodes is one straight line on either side, and both nodes come in
 * with one load and are weighed with one SMLAD. Only the rounding depends on the side. From node
 * 255 on the curve is flat.
 */
#ifndef EQ_CURVES_DSP_H
#define EQ_CURVES_DSP_H

#include "eq_base.h"

#define EQ_CURVE_MIDDLE 256

/* Nodes `piece` and `piece` + 1, weighed by `whole` - `rest` and `rest`, and `rounding` added. */
EQ_KERNEL int32_t eq_curve_dsp(const int16_t *middle, int32_t piece, int32_t rest, int32_t whole,
                               int32_t rounding)
{
    uint32_t nodes;
    uint32_t weights;
    int32_t result;
    memcpy(&nodes, middle + piece, 4);
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(weights) : "r"(whole - rest), "r"(rest));
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(nodes), "r"(weights), "r"(rounding));
    return result;
}

/* What to add before the last shift, in a register of its own for a whole loop. */
EQ_KERNEL int32_t eq_logistic_rounding_dsp(void)
{
    int32_t rounding = ((int32_t)1 << 24) + (1 << 9);
    __asm__("" : "+r"(rounding));
    return rounding;
}

/* `p` in steps of 1/512 of a piece; at most 255 pieces from 0. The result in Q0.15. */
EQ_KERNEL int32_t eq_logistic_dsp(const int16_t *middle, int32_t p, int32_t rounding)
{
    return eq_curve_dsp(middle, p >> 9, p & 0x1FF, 1 << 9, rounding + (p >> 31)) >> 10;
}

/* `p` in steps of 1/256 of a piece of tanh(x) = 2 * sigmoid(2 * x) - 1. */
EQ_KERNEL int32_t eq_tanh_dsp(const int16_t *middle, int32_t p)
{
    int32_t near;
    __asm__("ssat %0, #17, %1" : "=r"(near) : "r"(p));
    return eq_curve_dsp(middle, near >> 8, near & 0xFF, 1 << 8, (1 << 7) + (p >> 31)) >> 8;
}

#endif
