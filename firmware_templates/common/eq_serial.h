/* edgeq's serial protocol, the board's side.
 *
 * A frame is COBS-encoded and stands between two zero bytes, so whatever was damaged, the next zero
 * is a new start. Inside, little endian:
 *
 *     session (2)  sequence (2)  type (1)  body (0 to EQ_SERIAL_BODY)  CRC-32 of all before (4)
 *
 * The computer asks, the board answers with the same session, sequence and type; the first byte of
 * the answer's body is a status. A question that comes twice (its answer was lost) is answered
 * twice and carried out once. What fails its CRC is answered with EQ_SERIAL_DAMAGED, so that the
 * computer need not wait for a time-out.
 */
#ifndef EQ_SERIAL_H
#define EQ_SERIAL_H

#include <stdint.h>

enum {
    EQ_SERIAL_VERSION = 2,
    EQ_SERIAL_BODY = 240 /* keeps a frame within one COBS block of 254 bytes */
};

enum eq_serial_type {
    EQ_SERIAL_HELLO = 1,  /* () -> version, models, body limit, clock, emulated, target: begins a
                             session */
    EQ_SERIAL_MODEL = 2,  /* (model) -> SHA-256, inputs, outputs, flags, arena, name */
    EQ_SERIAL_TENSOR = 3, /* (model, is output, index) -> bytes */
    EQ_SERIAL_WRITE = 4,  /* (model, input, offset, data) */
    EQ_SERIAL_INVOKE = 5, /* (model, CRC-32 of the inputs) -> cycles */
    EQ_SERIAL_READ = 6,   /* (model, output, offset, count) -> data */
    EQ_SERIAL_RESET = 7,  /* (model): state back to its initial value */
    EQ_SERIAL_STATS = 8,  /* () -> stack bytes */
    EQ_SERIAL_TEST = 9,   /* (model) -> first op that differs, 0 if none */
    EQ_SERIAL_WATCH = 10, /* (model, first op) -> ops: times ops from the next call on */
    EQ_SERIAL_OPS = 11,   /* (model, first op) -> for each: its number in the model, cycles */
    EQ_SERIAL_DAMAGED = 255
};

enum eq_serial_status {
    EQ_SERIAL_OK = 0,
    EQ_SERIAL_BAD_REQUEST = 1, /* unknown type, wrong length, no such model or tensor */
    EQ_SERIAL_NO_SESSION = 2,  /* the board has been reset since the session began */
    EQ_SERIAL_BAD_INPUT = 3,   /* the inputs in memory are not those that were announced */
    EQ_SERIAL_WORKING = 4      /* an answer will follow when the call has ended */
};

/* Takes one byte from the port; answers through eq_port_put() when it ends a frame. */
void eq_serial_receive(uint8_t byte);

#endif
