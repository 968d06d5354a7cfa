/* The few functions of the Java Native Interface that are called, by their place in its function
 * table (Java Native Interface Specification, chapter 4), so that no header of an SDK is needed. */
#ifndef EQ_JNI_CALLS_H
#define EQ_JNI_CALLS_H

#include <stddef.h>
#include <stdint.h>

typedef void (*eq_jni_function)(void);
typedef const eq_jni_function *const *eq_jni_env;
typedef void *eq_jni_object;

enum {
    EQ_JNI_NEW_BYTE_ARRAY = 176,
    EQ_JNI_GET_BYTES = 200,
    EQ_JNI_GET_SHORTS = 202,
    EQ_JNI_GET_INTS = 203,
    EQ_JNI_GET_LONGS = 204,
    EQ_JNI_GET_FLOATS = 205,
    EQ_JNI_SET_BYTES = 208,
    EQ_JNI_SET_SHORTS = 210,
    EQ_JNI_SET_INTS = 211,
    EQ_JNI_SET_LONGS = 212,
    EQ_JNI_SET_FLOATS = 213,
    EQ_JNI_DIRECT_ADDRESS = 230
};

/* Copy the first `count` elements of a primitive array: `function` says of which type, and whether
 * out of Java or into it. */
static inline void eq_jni_copy(eq_jni_env env, int function, eq_jni_object array, int32_t count,
                               void *memory)
{
    typedef void (*copy)(eq_jni_env, eq_jni_object, int32_t, int32_t, void *);
    ((copy)(*env)[function])(env, array, 0, count, memory);
}

/* Copy `count` elements of a primitive array of Java's from its element `start` on. */
static inline void eq_jni_part(eq_jni_env env, int function, eq_jni_object array, int32_t start,
                               int32_t count, void *memory)
{
    typedef void (*copy)(eq_jni_env, eq_jni_object, int32_t, int32_t, void *);
    ((copy)(*env)[function])(env, array, start, count, memory);
}

static inline eq_jni_object eq_jni_new_bytes(eq_jni_env env, int32_t count)
{
    typedef eq_jni_object (*make)(eq_jni_env, int32_t);
    return ((make)(*env)[EQ_JNI_NEW_BYTE_ARRAY])(env, count);
}

/* The memory of a direct buffer from its first multiple of 16 bytes on. */
static inline void *eq_jni_aligned(eq_jni_env env, eq_jni_object buffer)
{
    typedef void *(*address)(eq_jni_env, eq_jni_object);
    char *start = ((address)(*env)[EQ_JNI_DIRECT_ADDRESS])(env, buffer);
    return start + (16U - (uintptr_t)start % 16U) % 16U;
}

#endif
