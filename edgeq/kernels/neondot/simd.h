/* The primitives of kernels/host/lanes.h for AArch64 with NEON's dot products (Armv8.2 and later). */
#ifndef EQ_SIMD_NEONDOT_H
#define EQ_SIMD_NEONDOT_H

#define EQ_NEON_DOT 1
#include "eq_simd_neon.h"

#endif
