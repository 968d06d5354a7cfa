/* Which levels of its instruction set this CPU has, and the system lets programs use. */
#ifndef EQ_CPU_HOST_H
#define EQ_CPU_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Define EQ_LEVELS to leave levels out, to try the others. */
#ifndef EQ_LEVELS
#define EQ_LEVELS 0xFFFFFFFFu
#endif

/* A pointer that threads may choose at the same time, each the same one. */
#if defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_4)
#define EQ_CPU_LOAD(pointer) __atomic_load_n(&(pointer), __ATOMIC_RELAXED)
#define EQ_CPU_STORE(pointer, value) __atomic_store_n(&(pointer), (value), __ATOMIC_RELAXED)
#else
#define EQ_CPU_LOAD(pointer) (pointer)
#define EQ_CPU_STORE(pointer, value) ((pointer) = (value))
#endif

enum {
    EQ_CPU_AVX2 = 1,
    EQ_CPU_AVXVNNI = 2,
    EQ_CPU_AVX512VNNI = 4,
    EQ_CPU_NEON = 8,
    EQ_CPU_NEONDOT = 16,
    EQ_CPU_I8MM = 32
};

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
#elif (defined(__aarch64__) || defined(__arm__)) && defined(__GNUC__)
#if defined(__linux__) && defined(__has_include)
#if __has_include(<sys/auxv.h>) && !defined(EQ_CPUINFO)
#include <sys/auxv.h>
#define EQ_HAS_AUXV 1
#endif
#endif

/* NEON is part of AArch64, and the rest none of 32-bit Arm. */
typedef struct {
    int neon, dot, i8mm;
} eq_cpu_facts;

#if defined(EQ_HAS_AUXV)
static inline eq_cpu_facts eq_cpu_look(void)
{
    const unsigned long hwcap = 16;
#if defined(__aarch64__)
    const unsigned long hwcap2 = 26;
    const eq_cpu_facts facts = {1, (getauxval(hwcap) & 1ul << 20) != 0,
                                (getauxval(hwcap2) & 1ul << 13) != 0};
#else
    const eq_cpu_facts facts = {(getauxval(hwcap) & 1ul << 12) != 0, 0, 0};
#endif
    return facts;
}
#elif defined(__linux__)
/* Without a C library: what the system says in text, by its system calls alone. Apps may read that
 * on every Android; what the auxiliary vector says, only with a C library. */
#ifndef EQ_CPUINFO
#define EQ_CPUINFO "/proc/cpuinfo"
#endif

#if defined(__aarch64__)
enum { EQ_CPU_OPENAT = 56, EQ_CPU_CLOSE = 57, EQ_CPU_READ = 63 };

static inline long eq_cpu_call(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = 0;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory", "cc");
    return x0;
}
#else
enum { EQ_CPU_OPENAT = 322, EQ_CPU_CLOSE = 6, EQ_CPU_READ = 3 };

/* The number goes into r7, which may be the frame's pointer and is put back. */
static inline long eq_cpu_call(long number, long a, long b, long c)
{
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    register long r3 __asm__("r3") = 0;
    register long r4 __asm__("r4") = number;
    __asm__ volatile("mov r12, r7\n\tmov r7, r4\n\tsvc #0\n\tmov r7, r12"
                     : "+r"(r0)
                     : "r"(r1), "r"(r2), "r"(r3), "r"(r4)
                     : "r12", "memory", "cc");
    return r0;
}
#endif

/* Whether a word stands in a text, between a blank and another one or the end of its line. */
static inline int eq_cpu_says(const char *text, long size, const char *word)
{
    for (long i = 1; i < size; i++) {
        long k = 0;
        while (text[i - 1] == ' ' && word[k] != 0 && i + k < size && text[i + k] == word[k]) {
            k++;
        }
        if (k > 0 && word[k] == 0 && i + k < size && (text[i + k] == ' ' || text[i + k] == '\n')) {
            return 1;
        }
    }
    return 0;
}

static inline eq_cpu_facts eq_cpu_look(void)
{
    enum { HERE = -100, MOST = 2048 };
    char text[MOST];
    const long file = eq_cpu_call(EQ_CPU_OPENAT, HERE, (long)EQ_CPUINFO, 0);
    const long size = file < 0 ? 0 : eq_cpu_call(EQ_CPU_READ, file, (long)text, MOST);
#if defined(__aarch64__)
    const eq_cpu_facts facts = {1, eq_cpu_says(text, size, "asimddp"),
                                eq_cpu_says(text, size, "i8mm")};
#else
    /* A kernel of 64 bits says asimd, to programs of 32 bits too. */
    const int neon = eq_cpu_says(text, size, "neon") || eq_cpu_says(text, size, "asimd");
    const eq_cpu_facts facts = {neon, 0, 0};
#endif
    if (file >= 0) {
        (void)eq_cpu_call(EQ_CPU_CLOSE, file, 0, 0);
    }
    return facts;
}
#elif defined(__APPLE__)
/* Of <sys/sysctl.h>, which is not there where a package is only checked. */
extern int sysctlbyname(const char *name, void *old, size_t *old_size, void *next, size_t size);

static inline int eq_cpu_fact(const char *name)
{
    int has = 0;
    size_t size = sizeof(has);
    return sysctlbyname(name, &has, &size, 0, 0) == 0 && has;
}

static inline eq_cpu_facts eq_cpu_look(void)
{
    const eq_cpu_facts facts = {1, eq_cpu_fact("hw.optional.arm.FEAT_DotProd"),
                                eq_cpu_fact("hw.optional.arm.FEAT_I8MM")};
    return facts;
}
#else
/* A program without a system; for AArch64 it has NEON all the same. */
static inline eq_cpu_facts eq_cpu_look(void)
{
#if defined(__aarch64__)
    const eq_cpu_facts facts = {1, 0, 0};
#else
    const eq_cpu_facts facts = {0, 0, 0};
#endif
    return facts;
}
#endif

static inline uint32_t eq_cpu_levels(void)
{
    const eq_cpu_facts facts = eq_cpu_look();
    uint32_t found = 0;
    if (facts.neon) {
        found |= EQ_CPU_NEON;
    }
    if (facts.dot) {
        found |= facts.i8mm ? EQ_CPU_NEONDOT | EQ_CPU_I8MM : EQ_CPU_NEONDOT;
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
