/* The primitives of kernels/host/lanes.h for x86 with AVX2 and AVX-VNNI. */
#ifndef EQ_SIMD_AVXVNNI_H
#define EQ_SIMD_AVXVNNI_H

#define EQ_VNNI_256 1
#include "eq_simd_avx2.h"

#endif
