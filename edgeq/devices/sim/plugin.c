/* Loaded into QEMU: counts how often each basic block of a program ran, and in which op of the
 * model, as hooks.c does in Unicorn. QEMU knows cores that Unicorn does not have.
 *
 * In QEMU's folder plan.bin says what is counted, counts.bin gets the result, both in integers of
 * this machine: 64 bits, but 8 for the sizes of instructions. A call begins when the block at
 * `entry` runs and ends with the first block outside of the code; what is written are the counts of
 * the last call.
 *
 * The few functions of QEMU that are used are declared here by hand: QEMU's packages rarely bring
 * their header. Source: QEMU documentation, "QEMU TCG Plugins". */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef EQ_PLUGIN_VERSION
#define EQ_PLUGIN_VERSION 1
#endif
#define EQ_EXPORT __attribute__((visibility("default")))

typedef void (*eq_on_translation)(uint64_t id, void *block);
typedef void (*eq_on_execution)(unsigned int cpu, void *user);
typedef void (*eq_on_exit)(uint64_t id, void *user);

extern uint64_t qemu_plugin_tb_vaddr(const void *block);
extern size_t qemu_plugin_tb_n_insns(const void *block);
extern void *qemu_plugin_tb_get_insn(const void *block, size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const void *instruction);
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, eq_on_translation function);
extern void qemu_plugin_register_vcpu_tb_exec_cb(void *block, eq_on_execution function, int flags,
                                                 void *user);
extern void qemu_plugin_register_atexit_cb(uint64_t id, eq_on_exit function, void *user);

EQ_EXPORT extern int qemu_plugin_version;
EQ_EXPORT int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments);

int qemu_plugin_version = EQ_PLUGIN_VERSION;

/* What QEMU translated at once. The same code can be translated again, in other pieces too. */
typedef struct eq_block {
    struct eq_block *next; /* at the same start */
    uint64_t start;
    uint64_t bytes;
    uint64_t last_mark; /* of the ops that begin inside; 0 if none does */
    uint64_t counts[];  /* by op: how often it ran, how often it ended in a jump */
} eq_block;

typedef struct {
    uint64_t op; /* 0 before the first one */
    uint64_t address;
} eq_mark;

static struct {
    uint64_t start, end, entry, ops, mark_count;
} plan;
static eq_mark *marks;
static uint8_t *sizes; /* by halfword from plan.start: bytes of an instruction that begins there */
static eq_block **by_start; /* by halfword from plan.start */
static eq_block *previous;
static uint64_t op;
static int running;

static eq_block *block_of(uint64_t start, uint64_t bytes)
{
    eq_block **place = &by_start[(start - plan.start) / 2u];
    while (*place != NULL && (*place)->bytes != bytes) {
        place = &(*place)->next;
    }
    if (*place == NULL) {
        eq_block *const made = calloc(1, sizeof(eq_block) + 2u * plan.ops * sizeof(uint64_t));
        if (made == NULL) {
            abort();
        }
        made->start = start;
        made->bytes = bytes;
        for (uint64_t i = 0; i < plan.mark_count; i++) {
            if (marks[i].address >= start && marks[i].address < start + bytes) {
                made->last_mark = marks[i].op;
            }
        }
        *place = made;
    }
    return *place;
}

static void forget(void)
{
    for (uint64_t slot = 0; slot < (plan.end - plan.start) / 2u; slot++) {
        for (eq_block *block = by_start[slot]; block != NULL; block = block->next) {
            for (uint64_t i = 0; i < 2u * plan.ops; i++) {
                block->counts[i] = 0;
            }
        }
    }
}

static void on_block(unsigned int cpu, void *user)
{
    eq_block *const block = user;
    (void)cpu;
    if (block->start == plan.entry) {
        forget();
        running = 1;
        op = 0;
        previous = NULL;
    }
    if (!running) {
        return;
    }
    if (previous != NULL && block->start != previous->start + previous->bytes) {
        previous->counts[2u * op + 1u]++;
    }
    block->counts[2u * op]++;
    previous = block;
    if (block->last_mark != 0) {
        op = block->last_mark;
    }
}

static void on_outside(unsigned int cpu, void *user)
{
    (void)cpu;
    (void)user;
    if (running && previous != NULL) {
        previous->counts[2u * op + 1u]++; /* the return to the caller */
    }
    running = 0;
}

static void on_translation(uint64_t id, void *translated)
{
    const uint64_t start = qemu_plugin_tb_vaddr(translated);
    const size_t count = qemu_plugin_tb_n_insns(translated);
    uint64_t last;
    (void)id;
    if (count == 0 || start < plan.start || start >= plan.end) {
        qemu_plugin_register_vcpu_tb_exec_cb(translated, on_outside, 0, NULL);
        return;
    }
    /* QEMU's own size of an instruction that lies across two pages is that of its first half. */
    last = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(translated, count - 1u));
    last += sizes[(last - plan.start) / 2u];
    qemu_plugin_register_vcpu_tb_exec_cb(translated, on_block, 0, block_of(start, last - start));
}

static void put(FILE *file, uint64_t value)
{
    (void)fwrite(&value, sizeof(value), 1, file);
}

static void on_exit_of_qemu(uint64_t id, void *user)
{
    FILE *const file = fopen("counts.bin", "wb");
    (void)id;
    (void)user;
    if (file == NULL) {
        return;
    }
    for (uint64_t slot = 0; slot < (plan.end - plan.start) / 2u; slot++) {
        for (const eq_block *block = by_start[slot]; block != NULL; block = block->next) {
            for (uint64_t i = 0; i < plan.ops; i++) {
                if ((block->counts[2u * i] | block->counts[2u * i + 1u]) != 0) {
                    put(file, block->start);
                    put(file, block->bytes);
                    put(file, i);
                    put(file, block->counts[2u * i]);
                    put(file, block->counts[2u * i + 1u]);
                }
            }
        }
    }
    (void)fclose(file);
}

int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments)
{
    FILE *const file = fopen("plan.bin", "rb");
    uint64_t slots;
    (void)info;
    (void)count;
    (void)arguments;
    if (file == NULL || fread(&plan, sizeof(plan), 1, file) != 1) {
        return 1;
    }
    slots = (plan.end - plan.start) / 2u;
    marks = calloc(plan.mark_count + 1u, sizeof(*marks));
    sizes = calloc(slots + 1u, sizeof(*sizes));
    by_start = calloc(slots + 1u, sizeof(*by_start));
    if (marks == NULL || sizes == NULL || by_start == NULL ||
        fread(marks, sizeof(*marks), plan.mark_count, file) != plan.mark_count ||
        fread(sizes, sizeof(*sizes), slots, file) != slots) {
        return 1;
    }
    (void)fclose(file);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
