/* Which levels of its instruction set this CPU has, and the system lets programs use. */
#ifndef EQ_CPU_HOST_H
#define EQ_CPU_HOST_H

#include <stdint.h>

/* Define EQ_LEVELS to leave levels out, to try the others. */
#ifndef EQ_LEVELS
#define EQ_LEVELS 0xFFFFFFFFu
#endif

enum { EQ_CPU_AVX2 = 1, EQ_CPU_AVXVNNI = 2, EQ_CPU_AVX512VNNI = 4 };

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

static inline uint32_t eq_cpu_levels(void)
{
    const uint32_t fma_osxsave_avx = 1u << 12 | 1u << 27 | 1u << 28;
    const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    uint32_t a, b, c, d, found = 0, saved, unused;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & fma_osxsave_avx) != fma_osxsave_avx) {
        return 0;
    }
    /* What the system saves of a process: bits 1 and 2 are AVX's registers, 5 to 7 AVX-512's. */
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
    if ((saved & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5)) {
        return 0;
    }
    found = EQ_CPU_AVX2;
    if ((saved & 0xE0) == 0xE0 && (b & f_dq_bw_vl) == f_dq_bw_vl && (c & 1u << 11)) {
        found |= EQ_CPU_AVX512VNNI;
    }
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4)) {
        found |= EQ_CPU_AVXVNNI;
    }
    return found & EQ_LEVELS;
}
#else
static inline uint32_t eq_cpu_levels(void)
{
    return 0;
}
#endif

#endif
