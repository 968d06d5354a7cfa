/* Second-stage boot loader of the RP2040: the boot ROM copies these 256 bytes to RAM, checks the
 * CRC-32 in the last word (polynomial 04C11DB7, not reflected) and runs them (datasheet, 2.8.1.3).
 *
 * They set the flash interface to plain serial reads, which every flash chip answers, and go on
 * with the vectors at 0x10000100:
 *
 *     ldr r3, =0x18000000     SSI
 *     movs r0, #0             SSIENR = 0
 *     str r0, [r3, #8]
 *     movs r0, #8             BAUDR = 8
 *     str r0, [r3, #0x14]
 *     ldr r0, =0x001F0300     CTRLR0: 32-bit frames, EEPROM read mode
 *     str r0, [r3, #0]
 *     movs r0, #0             CTRLR1 = 0
 *     str r0, [r3, #4]
 *     ldr r0, =0x03000218     SPI_CTRLR0: command 03h, 24-bit address
 *     ldr r2, =0x180000F4
 *     str r0, [r2]
 *     movs r0, #1             SSIENR = 1
 *     str r0, [r3, #8]
 *     ldr r0, =0x10000100     VTOR, stack, reset handler
 *     ldr r1, =0xE000ED08
 *     str r0, [r1]
 *     ldmia r0, {r0, r1}
 *     msr msp, r0
 *     bx r1
 */
#include <stdint.h>

extern const uint32_t eq_boot2[64];

const uint32_t eq_boot2[64] __attribute__((section(".boot2"), used)) = {
    0x20004B0AU, 0x20086098U, 0x48096158U, 0x20006018U, 0x48086058U, 0x60104A08U,
    0x60982001U, 0x49084807U, 0xC8036008U, 0x8808F380U, 0x46C04708U, 0x18000000U,
    0x001F0300U, 0x03000218U, 0x180000F4U, 0x10000100U, 0xE000ED08U,
    [63] = 0x8E982413U,
};
