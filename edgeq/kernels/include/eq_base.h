/* What all kernels share: attributes, fixed-point arithmetic, word access.
 *
 * The arithmetic is TensorFlow Lite Micro's in its double-rounding form, bit for bit
 * (tensorflow/lite/kernels/internal/common.h, gemmlowp fixedpoint.h).
 */
#ifndef EQ_BASE_H
#define EQ_BASE_H

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
/* gcc 12 loses lanes of constant predicates when it vectorises loops for MVE. */
#pragma GCC optimize("no-tree-loop-vectorize", "no-tree-slp-vectorize")
#endif

/* Products and sums of floats are rounded one by one, as in front ends their bytes are the same
 * everywhere. Left alone, gcc fuses them in its gnu modes (the usual ones), clang in all modes.
 * What may be fused says so with intrinsics. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#include <stdint.h>
#include <string.h>

/* What the functions of a program are compiled for, beyond what the compiler was told. */
#ifndef EQ_TARGET
#define EQ_TARGET
#endif

#if defined(__GNUC__)
/* Kernels are inlined into one small function per layer configuration, where every parameter is
 * a constant: that is how the compiler specialises them. */
#define EQ_KERNEL static inline __attribute__((always_inline, no_instrument_function)) EQ_TARGET
#define EQ_NOINLINE __attribute__((noinline))
/* A layer function is called with addresses in the arena, often the same for input and output.
 * gcc 12 moves such constants into the function and may then take its stores for dead and drop
 * the call (-fipa-cp with -fipa-modref); noipa makes every call one that is made. */
#if defined(__has_attribute)
#if __has_attribute(noipa)
#define EQ_LAYER __attribute__((noipa)) EQ_TARGET
#endif
#endif
#ifndef EQ_LAYER
#define EQ_LAYER EQ_NOINLINE EQ_TARGET
#endif
#define EQ_UNUSED __attribute__((unused))
/* A function that is assembly from its first instruction to its return: the canaries, counters and
 * calls that compiler options put into every function have no place in it. */
#define EQ_NAKED __attribute__((naked, noinline, unused, no_instrument_function)) EQ_UNTOUCHED
#if defined(__has_attribute)
#if __has_attribute(no_stack_protector)
#define EQ_NO_CANARY __attribute__((no_stack_protector))
#endif
#if __has_attribute(no_profile_instrument_function)
#define EQ_NO_COUNTERS __attribute__((no_profile_instrument_function))
#endif
#if __has_attribute(no_sanitize_coverage)
#define EQ_NO_COVERAGE __attribute__((no_sanitize_coverage))
#endif
#if __has_attribute(zero_call_used_regs)
#define EQ_NO_ZEROING __attribute__((zero_call_used_regs("skip")))
#endif
#endif
#if !defined(EQ_NO_CANARY) && !defined(__clang__)
#define EQ_NO_CANARY __attribute__((optimize("no-stack-protector")))
#elif !defined(EQ_NO_CANARY)
#define EQ_NO_CANARY
#endif
#ifndef EQ_NO_COUNTERS
#define EQ_NO_COUNTERS
#endif
#ifndef EQ_NO_COVERAGE
#define EQ_NO_COVERAGE
#endif
#ifndef EQ_NO_ZEROING
#define EQ_NO_ZEROING
#endif
#define EQ_UNTOUCHED EQ_NO_CANARY EQ_NO_COUNTERS EQ_NO_COVERAGE EQ_NO_ZEROING
#define EQ_ALIGN(bytes) __attribute__((aligned(bytes)))
#define EQ_MAY_ALIAS __attribute__((may_alias))
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
/* clang ignores gcc's word. On hosts its own is worth the code. */
#define EQ_UNROLL(count) _Pragma("clang loop unroll(full)")
#elif defined(__clang__) || __GNUC__ >= 8
#define EQ_UNROLL(count) _Pragma(EQ_STRING(GCC unroll count))
#else
#define EQ_UNROLL(count)
#endif
#else
#define EQ_KERNEL static inline
#define EQ_NOINLINE
#define EQ_LAYER
#define EQ_UNUSED
#define EQ_ALIGN(bytes)
#define EQ_MAY_ALIAS
#define EQ_UNROLL(count)
#endif
/* Whether a number is a constant of the function that a kernel is inlined into. */
#if defined(__GNUC__)
#define EQ_KNOWN(x) __builtin_constant_p(x)
#else
#define EQ_KNOWN(x) 0
#endif
/* A function of 64-bit arithmetic. For 8-bit cores it is code of its own: there each line of it
 * takes all registers (avr-gcc gives up on functions that some of them are inlined into), and
 * calls a library anyway. */
#if defined(__AVR__)
#define EQ_WIDE static EQ_NOINLINE EQ_UNUSED __attribute__((no_instrument_function))
#else
#define EQ_WIDE EQ_KERNEL
#endif
#define EQ_STRING(text) EQ_STRING_(text)
#define EQ_STRING_(text) #text

/* Words that may be read out of byte arrays. */
typedef uint32_t EQ_MAY_ALIAS eq_word;
typedef int16_t EQ_MAY_ALIAS eq_half;

/* Right shifts of negative numbers are arithmetic on every compiler we know; here it is proven. */
typedef char eq_arithmetic_shift_right[((-1) >> 1) == -1 ? 1 : -1];

/* How an accumulator becomes an output: one per output channel, read in order.
 * real output = accumulator * multiplier * 2^(-31 - shift), shift >= 0 is right. */
typedef struct {
    int32_t bias;       /* int32, added to the accumulator first */
    int32_t multiplier; /* Q31 */
    int32_t shift;      /* right shift, 0..31; negative is left */
} eq_requant;

/* How a 64-bit accumulator becomes an output: one per output channel. The multiplier is a Q31 one
 * reduced to 16 bits by the host. */
typedef struct {
    int64_t bias;
    int32_t multiplier; /* Q15 */
    int32_t shift;      /* right shift, 8..46 */
} eq_requant_wide;

/* gcc 12 computes x in 16 bits where it sees that x >> n fits in them, if it vectorizes (at -O3,
 * for x86 and NEON); what passes through here has a range that it cannot see. */
#if defined(__arm__) && !(defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M')
#define EQ_HAS_VECTORS 1 /* functions may ask for NEON */
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define EQ_HAS_VECTORS 1
#endif
#if defined(__GNUC__) && !defined(__clang__) && defined(EQ_HAS_VECTORS)
#define EQ_HIDE_RANGE(x) __asm__("" : "+r"(x))
#else
#define EQ_HIDE_RANGE(x) (void)0
#endif

/* The high half of 2 * a * b, rounded to nearest; b is a non-negative Q31 multiplier, so the
 * saturating case INT32_MIN * INT32_MIN of the reference cannot occur. */
EQ_WIDE int32_t eq_doubling_high_mul(int32_t a, int32_t b)
{
    int32_t high = (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
    EQ_HIDE_RANGE(high);
    return high;
}

/* x / 2^exponent to nearest, ties away from zero; 0 <= exponent <= 31. */
EQ_KERNEL int32_t eq_rounding_divide_by_pot(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1u);
    const int32_t remainder = x & mask;
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

/* x * multiplier * 2^(shift - 31); positive shift is left, as in TFLite. */
EQ_KERNEL int32_t eq_multiply_by_quantized_multiplier(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int32_t shifted = (int32_t)((uint32_t)x << left);
    return eq_rounding_divide_by_pot(eq_doubling_high_mul(shifted, multiplier), right);
}

EQ_KERNEL int32_t eq_clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : (x > high ? high : x);
}

EQ_KERNEL int32_t eq_min(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

EQ_KERNEL int32_t eq_max(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* An accumulator (bias added) to an output value. */
EQ_KERNEL int32_t eq_requantize(int32_t acc, const eq_requant *q, int32_t output_offset,
                                int32_t activation_min, int32_t activation_max)
{
    const int32_t scaled = eq_multiply_by_quantized_multiplier(acc, q->multiplier, -q->shift);
    return eq_clamp(scaled + output_offset, activation_min, activation_max);
}

#endif
