/* What the kernels that work on widened inputs share: requantization and the clamp. */
#ifndef EQ_COLUMNS_H
#define EQ_COLUMNS_H

#include "eq_base.h"
#include "eq_core.h"

/* How one layer's accumulators become outputs. */
typedef struct {
    int32_t twice_offset_plus_1; /* 2 * output_offset + 1 */
    int32_t rectified; /* 1: results below the zero point are clamped to it, so that the reference's
                          rounding of negative ties away from zero cannot be seen */
    int32_t activation_min, activation_max;
} eq_scale;

/* One output channel's numbers, ready for use. */
typedef struct {
    int32_t bias;
    int32_t doubled;  /* 2 * multiplier - 2^32 */
    int32_t shift_1;  /* right shift, less 1 */
    int32_t rounding; /* (2 * output_offset + 1) * 2^shift_1 */
} eq_channel;

EQ_KERNEL eq_channel eq_channel_of(const eq_scale *p, const eq_requant *q)
{
    eq_channel channel;
    channel.bias = q->bias;
    channel.doubled = q->multiplier;
    channel.shift_1 = q->shift;
    channel.rounding = (int32_t)((uint32_t)p->twice_offset_plus_1 << channel.shift_1);
    return channel;
}

/* The reference's two roundings with the zero point added before the shift. */
EQ_KERNEL int32_t eq_scale_output(const eq_scale *p, const eq_channel *channel, int32_t acc)
{
    int32_t x = eq_high_mul(acc, channel->doubled);
    if (!p->rectified) {
        x += x >> 31;
    }
    x = ((x + channel->rounding) >> channel->shift_1) >> 1;
    return eq_clamp(x, p->activation_min, p->activation_max);
}

#endif
