# Start-up of an RV32 core: trap vector, memory, stack; then main().
    .section .vectors, "ax"
    .globl eq_reset
eq_reset:
    # By absolute address: some chips begin in an alias of their flash at 0.
    lui t0, %hi(1f)
    jr t0, %lo(1f)
1:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la t0, eq_trap
    csrw mtvec, t0
#ifdef __riscv_flen
    li t0, 0x2000
    csrs mstatus, t0
#endif
    la sp, eq_stack_top

    la t0, eq_stack_limit
    la t1, eq_stack_top
    li t2, 0x5AA55AA5
    call eq_fill

    la t0, eq_data_start
    la t1, eq_data_end
    la t2, eq_data_load
2:  bgeu t0, t1, 3f
    lw t3, 0(t2)
    sw t3, 0(t0)
    addi t0, t0, 4
    addi t2, t2, 4
    j 2b
3:
    la t0, eq_bss_start
    la t1, eq_bss_end
    li t2, 0
    call eq_fill
    la t0, eq_arena_start
    la t1, eq_arena_end
    call eq_fill
    call main
    j eq_trap

# Fills the words from t0 to t1 with t2.
eq_fill:
    bgeu t0, t1, 4f
    sw t2, 0(t0)
    addi t0, t0, 4
    j eq_fill
4:  ret

    .balign 4
eq_trap:
    j eq_trap
