/* What Unicorn calls at every basic block and every memory access: counts, and checks that each
 * access stays inside the program's own memory and is aligned as the CPU wants it. Compiled for
 * the machine that runs the emulator, because a hook in Python costs fifty times as much. */
#include <stddef.h>
#include <stdint.h>

enum { EQ_OUTSIDE = 1, EQ_MISALIGNED = 2 };
enum { EQ_MEM_WRITE = 17 }; /* UC_MEM_WRITE */
#define IF_THEN_BITS 0x0600FC00u

typedef struct {
    uint32_t start; /* first address */
    uint32_t end;   /* first address behind */
    uint32_t writable;
} eq_range;

/* A cache, or the buffer in front of a flash: which lines it holds, the latest first in each set.
 * Without lines nothing is kept, and every access waits. */
typedef struct {
    uint32_t line_shift; /* log2 of the bytes of a line */
    uint32_t sets;       /* a power of two */
    uint32_t ways;
    uint32_t *lines; /* by set and way: one more than the line's number; 0 is empty */
} eq_cache;

typedef struct {
    /* Addresses of code count in halfwords from here: a "slot". */
    uint32_t code_start;
    uint32_t slots;
    const uint8_t *code;
    /* By slot: the first slot from here on where an op begins, and one more than its number. */
    const uint32_t *next_mark;
    const uint32_t *mark_op;
    /* By op and slot of a block's start: how often it ran, how often it ended in a jump. */
    uint64_t *entries;
    uint64_t *jumps;
    /* By slot: bytes of the block that starts here. */
    uint32_t *block_bytes;
    /* By op: extra cycles of unaligned accesses on Armv7-M, and of waiting for memory. */
    uint64_t *extra_cycles;
    /* What the memory of the board costs; all zero where it never waits. */
    const eq_cache *code_cache;
    const eq_cache *data_cache;
    uint32_t fetch_cycles;    /* a line of code that is not there */
    uint32_t next_cycles;     /* the same, where it follows the line before */
    uint32_t constant_cycles; /* a load from flash that is not there */
    uint32_t last_line;       /* the line of code fetched last */
    const eq_range *ranges;
    uint32_t range_count;
    uint32_t always_aligned; /* every access must be aligned, not only the multiple ones */
    uint32_t op;             /* what runs now: 0 before the first mark */
    uint32_t last_slot;      /* the block before; `slots` at the beginning */
    uint32_t last_end;       /* where it falls through to */
    /* The first fault: 0 or EQ_OUTSIDE or EQ_MISALIGNED, and its circumstances. */
    uint32_t fault;
    uint32_t fault_op;
    uint32_t fault_address;
    uint32_t fault_bytes;
    uint32_t fault_writes;
    uint32_t fault_pc;
    int32_t pc_register;
    int32_t status_register; /* CPSR; -1 where there is none */
    int (*stop)(void *engine);
    int (*read_register)(void *engine, int number, void *value);
    int (*write_register)(void *engine, int number, const void *value);
} eq_watch;

void eq_on_block(void *engine, uint64_t address, uint32_t bytes, void *user);
void eq_on_access(void *engine, int kind, uint64_t address, int bytes, int64_t value, void *user);

/* Whether a line is kept; it is from now on. */
static int holds(const eq_cache *cache, uint32_t line)
{
    uint32_t *const set = &cache->lines[(line & (cache->sets - 1u)) * cache->ways];
    uint32_t moved = line + 1u;
    uint32_t way;
    for (way = 0; way < cache->ways; way++) {
        const uint32_t old = set[way];
        set[way] = moved;
        if (old == line + 1u) {
            return 1;
        }
        moved = old;
    }
    return 0;
}

/* Code comes from flash line by line. */
static void fetch(eq_watch *watch, uint32_t start, uint32_t bytes)
{
    const eq_cache *const cache = watch->code_cache;
    const uint32_t last = (start + bytes - 1u) >> cache->line_shift;
    uint32_t line = start >> cache->line_shift;
    if ((watch->fetch_cycles | watch->next_cycles) == 0) {
        return;
    }
    for (; line <= last; line++) {
        if (line != watch->last_line && !holds(cache, line)) {
            watch->extra_cycles[watch->op] +=
                line == watch->last_line + 1u ? watch->next_cycles : watch->fetch_cycles;
        }
        watch->last_line = line;
    }
}

/* Constants come from flash too. */
static void load_constant(eq_watch *watch, uint32_t address)
{
    if (watch->constant_cycles != 0 &&
        !holds(watch->data_cache, address >> watch->data_cache->line_shift)) {
        watch->extra_cycles[watch->op] += watch->constant_cycles;
    }
}

void eq_on_block(void *engine, uint64_t address, uint32_t bytes, void *user)
{
    eq_watch *watch = user;
    const uint32_t start = (uint32_t)address;
    const uint32_t slot = (start - watch->code_start) / 2u;
    (void)engine;
    if (watch->last_slot < watch->slots && start != watch->last_end) {
        watch->jumps[(size_t)watch->op * watch->slots + watch->last_slot]++;
    }
    watch->last_slot = watch->slots;
    if (slot >= watch->slots) {
        return;
    }
    watch->entries[(size_t)watch->op * watch->slots + slot]++;
    watch->block_bytes[slot] = bytes;
    watch->last_slot = slot;
    watch->last_end = start + bytes;
    fetch(watch, start, bytes);
    /* Ops may begin inside of the block; what follows belongs to the last of them. */
    for (uint32_t s = watch->next_mark[slot]; s < slot + bytes / 2u; s = watch->next_mark[s + 1u]) {
        watch->op = watch->mark_op[s];
    }
}

/* Whether the Thumb instruction at `pc` faults on unaligned data even where others may not.
 * Source: Armv7-M ARM, A3.2.1: LDM, STM, PUSH, POP, LDRD, STRD, exclusives, VLDR, VSTR. */
static int needs_alignment(const eq_watch *watch, uint32_t pc)
{
    const uint32_t offset = pc - watch->code_start;
    uint32_t half;
    if (offset / 2u >= watch->slots) {
        return 1;
    }
    half = (uint32_t)(watch->code[offset] | (watch->code[offset + 1u] << 8));
    return (half & 0xF000u) == 0xC000u || (half & 0xF600u) == 0xB400u ||
           (half & 0xFE00u) == 0xE800u || (half & 0xEC00u) == 0xEC00u;
}

static void report(void *engine, eq_watch *watch, uint32_t fault, uint32_t address, uint32_t bytes,
                   int kind)
{
    if (watch->fault == 0) {
        watch->fault = fault;
        watch->fault_op = watch->op;
        watch->fault_address = address;
        watch->fault_bytes = bytes;
        watch->fault_writes = kind == EQ_MEM_WRITE;
        watch->read_register(engine, watch->pc_register, &watch->fault_pc);
    }
    watch->stop(engine);
}

/* Before a hook on memory runs, Unicorn 2.1 restores the CPU's state, and with it the If-Then bits
 * of the instruction; translated code keeps them elsewhere, never clears these, and would run the
 * next block under a stale condition. */
static void clear_if_then(void *engine, const eq_watch *watch)
{
    uint32_t status = 0;
    if (watch->status_register < 0) {
        return;
    }
    watch->read_register(engine, watch->status_register, &status);
    if ((status & IF_THEN_BITS) != 0) {
        status &= ~IF_THEN_BITS;
        watch->write_register(engine, watch->status_register, &status);
    }
}

void eq_on_access(void *engine, int kind, uint64_t address, int bytes, int64_t value, void *user)
{
    eq_watch *watch = user;
    const uint32_t first = (uint32_t)address;
    const uint32_t size = (uint32_t)bytes;
    /* Two words at once (VPUSH, VLDR) need the alignment of one: Armv7-M ARM, A3.2.1. */
    const uint32_t unit = size < 4u ? size : 4u;
    const eq_range *range = watch->ranges;
    const eq_range *const end = range + watch->range_count;
    (void)value;
    while (range < end && !(first >= range->start && first + size <= range->end)) {
        range++;
    }
    if (range == end || (kind == EQ_MEM_WRITE && !range->writable)) {
        report(engine, watch, EQ_OUTSIDE, first, size, kind);
    }
    if ((first & (unit - 1u)) != 0) {
        uint32_t pc = 0;
        watch->read_register(engine, watch->pc_register, &pc);
        if (watch->always_aligned || needs_alignment(watch, pc)) {
            report(engine, watch, EQ_MISALIGNED, first, size, kind);
        }
        /* Source: Cortex-M4 TRM, 3.3.3: two or three accesses instead of one. */
        watch->extra_cycles[watch->op] += size == 4u && (first & 1u) != 0 ? 2u : 1u;
    }
    if (range < end && !range->writable) {
        load_constant(watch, first);
    }
    clear_if_then(engine, watch);
}
