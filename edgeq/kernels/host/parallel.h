/* Work in parts, on a few threads of a program's own: `eq_parallel` has every part done once, by
 * whoever is free, and comes back when all are. Each thread begins with parts of its own, so that
 * of layer after layer it finds what it has written itself, and then takes what others have left.
 *
 * The threads begin with the first call, and wait between calls: a while by looking again, then
 * asleep. Whoever comes while they work for somebody else does all parts himself, as does everyone
 * where no thread can be had. A child of fork() has none of its parent's threads, and begins its
 * own. The threads end with eq_parallel_stop(), when the library is unloaded, or with the program.
 */
#ifndef EQ_PARALLEL_HOST_H
#define EQ_PARALLEL_HOST_H

#include "eq_share_host.h"

/* How many threads there are, the caller's among them. */
#ifndef EQ_THREADS
#define EQ_THREADS 1
#endif

#if EQ_THREADS > 1 && defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8) && !defined(_WIN32)
#if !defined(__has_include)
#define EQ_HAS_PTHREAD 1
#elif __has_include(<pthread.h>) && !defined(__wasm__)
#define EQ_HAS_PTHREAD 1
#endif
#endif

#ifdef EQ_HAS_PTHREAD
#include <pthread.h>
#include <sched.h>

enum { EQ_WORKERS = EQ_THREADS - 1, EQ_SPINS = 1 << 16 };

/* Of one thread: the number of the work, and in the low half how many parts are left. */
typedef struct {
    uint64_t ticket EQ_ALIGN(64);
} eq_tickets;

typedef struct {
    eq_tickets of[EQ_THREADS];
    eq_task *task;
    const void *argument;
    int32_t parts;
    int32_t undone EQ_ALIGN(64); /* parts that are not done yet */
    int32_t busy, sleeping, stopping, known_to_fork, workers;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[EQ_WORKERS];
} eq_pool;

static eq_pool eq_workers = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void eq_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause");
#elif defined(__aarch64__) || defined(__ARM_ARCH_7A__)
    __asm__ volatile("yield");
#endif
}

/* Where the parts of a thread begin. */
static int32_t eq_first_part(int32_t parts, int32_t thread)
{
    return parts * thread / EQ_THREADS;
}

static uint32_t eq_parts_left(eq_pool *p, int32_t thread)
{
    return (uint32_t)__atomic_load_n(&p->of[thread].ticket, __ATOMIC_SEQ_CST);
}

/* Do the parts of a thread that are left. Whoever takes one has read the task that it belongs to:
 * the ticket would have changed otherwise. */
static void eq_do_parts(eq_pool *p, int32_t owner, int32_t thread)
{
    uint64_t *const place = &p->of[owner].ticket;
    uint64_t ticket = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    while ((uint32_t)ticket != 0) {
        eq_task *const task = __atomic_load_n(&p->task, __ATOMIC_RELAXED);
        const void *const argument = __atomic_load_n(&p->argument, __ATOMIC_RELAXED);
        const int32_t first = eq_first_part(__atomic_load_n(&p->parts, __ATOMIC_RELAXED), owner);
        if (__atomic_compare_exchange_n(place, &ticket, ticket - 1, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            task(argument, first + (int32_t)((uint32_t)ticket - 1), thread);
            __atomic_fetch_sub(&p->undone, 1, __ATOMIC_RELEASE);
            ticket = __atomic_load_n(place, __ATOMIC_ACQUIRE);
        }
    }
}

static void eq_do_all(eq_pool *p, int32_t thread)
{
    for (int32_t i = 0; i < EQ_THREADS; i++) {
        eq_do_parts(p, (thread + i) % EQ_THREADS, thread);
    }
}

/* Until there is something to do, or nothing any more: whether there is. */
static int eq_wait_for_parts(eq_pool *p, int32_t thread)
{
    for (int32_t i = 0; i < EQ_SPINS; i++) {
        if (eq_parts_left(p, thread)) {
            return 1;
        }
        eq_relax();
    }
    pthread_mutex_lock(&p->lock);
    __atomic_fetch_add(&p->sleeping, 1, __ATOMIC_SEQ_CST);
    while (!p->stopping && !eq_parts_left(p, thread)) {
        pthread_cond_wait(&p->wake, &p->lock);
    }
    __atomic_fetch_sub(&p->sleeping, 1, __ATOMIC_SEQ_CST);
    const int some = !p->stopping;
    pthread_mutex_unlock(&p->lock);
    return some;
}

static void *eq_worker(void *place)
{
    const int32_t thread = (int32_t)((eq_tickets *)place - eq_workers.of);
    while (eq_wait_for_parts(&eq_workers, thread)) {
        eq_do_all(&eq_workers, thread);
    }
    return 0;
}

/* In a child of fork(): nobody is there but the caller. */
static void eq_forget_workers(void)
{
    eq_pool *const p = &eq_workers;
    for (int32_t i = 0; i < EQ_THREADS; i++) {
        p->of[i].ticket = 0;
    }
    p->busy = p->sleeping = p->stopping = p->workers = 0;
    pthread_mutex_init(&p->lock, 0);
    pthread_cond_init(&p->wake, 0);
}

static void eq_begin_workers(eq_pool *p)
{
    if (!p->known_to_fork) {
        p->known_to_fork = 1;
        pthread_atfork(0, 0, eq_forget_workers);
    }
    while (p->workers < EQ_WORKERS &&
           pthread_create(&p->threads[p->workers], 0, eq_worker, &p->of[p->workers + 1]) == 0) {
        p->workers++;
    }
}

EQ_UNUSED static void eq_parallel(int32_t parts, eq_task *task, const void *argument)
{
    eq_pool *const p = &eq_workers;
    if (__atomic_exchange_n(&p->busy, 1, __ATOMIC_ACQUIRE)) {
        for (int32_t part = 0; part < parts; part++) {
            task(argument, part, 0);
        }
        return;
    }
    if (p->workers == 0) {
        eq_begin_workers(p);
    }
    __atomic_store_n(&p->task, task, __ATOMIC_RELAXED);
    __atomic_store_n(&p->argument, argument, __ATOMIC_RELAXED);
    __atomic_store_n(&p->parts, parts, __ATOMIC_RELAXED);
    __atomic_store_n(&p->undone, parts, __ATOMIC_RELAXED);
    for (int32_t i = EQ_THREADS - 1; i >= 0; i--) {
        const int32_t own = eq_first_part(parts, i + 1) - eq_first_part(parts, i);
        const uint64_t before = __atomic_load_n(&p->of[i].ticket, __ATOMIC_RELAXED);
        const uint64_t next = ((before >> 32) + 1) << 32 | (uint32_t)own;
        __atomic_store_n(&p->of[i].ticket, next, __ATOMIC_SEQ_CST);
    }
    if (__atomic_load_n(&p->sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    eq_do_all(p, 0);
    for (int32_t i = 0; __atomic_load_n(&p->undone, __ATOMIC_ACQUIRE) != 0; i++) {
        if (i < EQ_SPINS) {
            eq_relax();
        } else {
            sched_yield();
            i = EQ_SPINS;
        }
    }
    __atomic_store_n(&p->busy, 0, __ATOMIC_RELEASE);
}

/* End the threads; the next call begins them again. Nothing happens while they work. */
EQ_UNUSED __attribute__((destructor)) static void eq_parallel_stop(void)
{
    eq_pool *const p = &eq_workers;
    if (__atomic_exchange_n(&p->busy, 1, __ATOMIC_ACQUIRE)) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = 1;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    while (p->workers > 0) {
        p->workers--;
        pthread_join(p->threads[p->workers], 0);
    }
    p->stopping = 0;
    __atomic_store_n(&p->busy, 0, __ATOMIC_RELEASE);
}
#else
EQ_UNUSED static void eq_parallel(int32_t parts, eq_task *task, const void *argument)
{
    for (int32_t part = 0; part < parts; part++) {
        task(argument, part, 0);
    }
}

EQ_UNUSED static void eq_parallel_stop(void)
{
}
#endif

#endif
