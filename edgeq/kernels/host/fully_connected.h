/* FULLY_CONNECTED, int8, for hosts: a convolution whose pixels are the rows of the input. */
#ifndef EQ_FULLY_CONNECTED_HOST_H
#define EQ_FULLY_CONNECTED_HOST_H

#include "eq_conv_2d_host.h"

EQ_KERNEL void eq_fully_connected_host_s8_share(const eq_conv_2d_host_params *p,
                                                const eq_share share, const int8_t *input,
                                                const int8_t *weights, const int32_t *table,
                                                int8_t *output)
{
    eq_conv_2d_host_s8_share(p, share, input, weights, table, output);
}

EQ_KERNEL void eq_fully_connected_copied_host_s8_share(const eq_conv_2d_host_params *p,
                                                       const eq_share share, const int8_t *input,
                                                       const int8_t *weights, const int32_t *table,
                                                       int8_t *output, void *scratch)
{
    eq_conv_2d_copied_host_s8_share(p, share, input, weights, table, output, scratch);
}

EQ_KERNEL void eq_fully_connected_host_s8(const eq_conv_2d_host_params *p, const int8_t *input,
                                          const int8_t *weights, const int32_t *table,
                                          int8_t *output)
{
    eq_conv_2d_host_s8(p, input, weights, table, output);
}

EQ_KERNEL void eq_fully_connected_copied_host_s8(const eq_conv_2d_host_params *p,
                                                 const int8_t *input, const int8_t *weights,
                                                 const int32_t *table, int8_t *output,
                                                 void *scratch)
{
    eq_conv_2d_copied_host_s8(p, input, weights, table, output, scratch);
}

#endif
