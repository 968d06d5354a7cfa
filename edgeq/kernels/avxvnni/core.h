/* The primitives of kernels/host/lanes.h for x86 with AVX2 and AVX-VNNI. */
#ifndef EQ_CORE_AVXVNNI_H
#define EQ_CORE_AVXVNNI_H

#define EQ_VNNI_256 1
#include "eq_core_avx2.h"

#endif
