#include "eq_serial.h"

#include <string.h>

#include "eq_models.h"
#include "eq_ops.h"
#include "eq_port.h"

enum {
    HEAD = 5, /* session, sequence, type */
    CRC = 4,
    FRAME = HEAD + EQ_SERIAL_BODY + CRC,
    ENCODED = FRAME + 1
};

static struct {
    uint16_t session;       /* 0 until the first HELLO after a reset */
    uint16_t last_sequence; /* of the last INVOKE or RESET that was carried out */
    uint32_t last_cycles;
    uint16_t received; /* bytes of the frame that is coming in; ENCODED + 1 when it is too long */
    uint8_t in[ENCODED];
    uint8_t out[FRAME];
} serial;

static uint16_t load16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (unsigned)bytes[1] << 8);
}

static uint32_t load32(const uint8_t *bytes)
{
    return (uint32_t)load16(bytes) | (uint32_t)load16(bytes + 2) << 16;
}

static void store16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static void store32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4U; i++) {
        bytes[i] = (uint8_t)(value >> (8U * i));
    }
}

/* CRC-32 as in zlib; begin with 0. Without a table: it runs between frames, not within them. */
static uint32_t crc32(uint32_t crc, const uint8_t *bytes, uint32_t count)
{
    crc = ~crc;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}

/* Undoes COBS in place. Returns the number of bytes, or 0 if this is no COBS. */
static uint16_t cobs_decode(uint8_t *bytes, uint16_t count)
{
    uint16_t from = 0;
    uint16_t to = 0;
    while (from < count) {
        const uint8_t code = bytes[from];
        if (code == 0U || from + code > count) {
            return 0;
        }
        for (uint8_t i = 1; i < code; i++) {
            bytes[to] = bytes[from + i];
            to++;
        }
        from = (uint16_t)(from + code);
        if (code != 255U && from < count) {
            bytes[to] = 0;
            to++;
        }
    }
    return to;
}

/* Sends serial.out with its head and CRC; `count` is the length of the body. */
static void answer(uint16_t sequence, uint8_t type, uint16_t count)
{
    uint8_t *frame = serial.out;
    store16(frame, serial.session);
    store16(frame + 2, sequence);
    frame[4] = type;
    const uint16_t length = (uint16_t)(HEAD + count);
    store32(frame + length, crc32(0, frame, length));
    const uint16_t end = (uint16_t)(length + CRC);
    eq_port_put(0);
    uint16_t from = 0;
    while (from <= end) {
        uint16_t zero = from;
        while (zero < end && frame[zero] != 0U) {
            zero++;
        }
        eq_port_put((uint8_t)(zero - from + 1));
        for (; from < zero; from++) {
            eq_port_put(frame[from]);
        }
        from++;
    }
    /* Twice: were the only one lost, the computer would have to wait for its time-out. */
    eq_port_put(0);
    eq_port_put(0);
}

static uint32_t inputs_crc(uint8_t model)
{
    uint32_t crc = 0;
    for (uint8_t i = 0; i < eq_model_inputs(model); i++) {
        crc = crc32(crc, eq_model_input(model, i), eq_model_input_bytes(model, i));
    }
    return crc;
}

static uint8_t *body(void)
{
    return serial.out + HEAD;
}

/* A text at the end of the body, as far as there is room; returns the body's length. */
static uint16_t put_text(uint16_t at, const char *text)
{
    while (*text != '\0' && at < EQ_SERIAL_BODY) {
        body()[at++] = (uint8_t)*text++;
    }
    return at;
}

static uint16_t hello(uint16_t session)
{
    serial.session = session;
    serial.last_sequence = 0;
    body()[1] = EQ_SERIAL_VERSION;
    body()[2] = EQ_MODEL_COUNT;
    body()[3] = EQ_SERIAL_BODY;
    store32(body() + 4, EQ_CLOCK_HZ);
    body()[8] = EQ_EMULATED;
    eq_ops_stop();
    return put_text(9, EQ_TARGET);
}

static uint16_t describe(uint8_t model)
{
    memcpy(body() + 1, eq_model_sha256(model), 32);
    body()[33] = eq_model_inputs(model);
    body()[34] = eq_model_outputs(model);
    body()[35] = eq_model_has_state(model);
    store32(body() + 36, eq_model_arena_bytes(model));
    return put_text(40, eq_model_name(model));
}

static uint16_t refuse(uint8_t status)
{
    body()[0] = status;
    return 1;
}

static uint16_t write_input(uint8_t model, const uint8_t *args, uint16_t count)
{
    if (count < 6U || args[1] >= eq_model_inputs(model)) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    const uint32_t offset = load32(args + 2);
    const uint32_t bytes = eq_model_input_bytes(model, args[1]);
    const uint32_t length = (uint32_t)count - 6U;
    if (offset > bytes || length > bytes - offset) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    memcpy(eq_model_input(model, args[1]) + offset, args + 6, length);
    return 1;
}

static uint16_t read_output(uint8_t model, const uint8_t *args, uint16_t count)
{
    if (count != 7U || args[1] >= eq_model_outputs(model)) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    const uint32_t offset = load32(args + 2);
    const uint32_t bytes = eq_model_output_bytes(model, args[1]);
    const uint8_t length = args[6];
    if (length >= EQ_SERIAL_BODY || offset > bytes || length > bytes - offset) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    memcpy(body() + 1, eq_model_output(model, args[1]) + offset, length);
    return (uint16_t)(1U + length);
}

/* A model with state must not be called twice for one question, so the last answer is kept. */
static uint16_t invoke(uint8_t model, uint16_t sequence, const uint8_t *args, uint16_t count)
{
    if (count != 5U) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    if (sequence != serial.last_sequence) {
        if (inputs_crc(model) != load32(args + 1)) {
            return refuse(EQ_SERIAL_BAD_INPUT);
        }
        answer(sequence, EQ_SERIAL_INVOKE, refuse(EQ_SERIAL_WORKING));
        const uint32_t start = eq_port_cycles();
        eq_model_invoke(model);
        serial.last_cycles = eq_port_cycles() - start;
        serial.last_sequence = sequence;
        body()[0] = EQ_SERIAL_OK;
    }
    store32(body() + 1, serial.last_cycles);
    return 5;
}

static uint16_t reset(uint8_t model, uint16_t sequence)
{
    if (sequence != serial.last_sequence) {
        eq_model_reset(model);
        serial.last_sequence = sequence;
    }
    return 1;
}

static uint16_t tensor(uint8_t model, const uint8_t *args, uint16_t count)
{
    if (count != 3U) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    const uint8_t is_output = args[1];
    if (args[2] >= (is_output != 0U ? eq_model_outputs(model) : eq_model_inputs(model))) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    store32(body() + 1, is_output != 0U ? eq_model_output_bytes(model, args[2])
                                        : eq_model_input_bytes(model, args[2]));
    return 5;
}

static uint16_t watch(uint8_t model, const uint8_t *args, uint16_t count)
{
    if (count != 3U) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    eq_ops_watch(load16(args + 1));
    store16(body() + 1, eq_model_ops(model));
    return 3;
}

static uint16_t op_cycles(uint8_t model, const uint8_t *args, uint16_t count)
{
    if (count != 3U || load16(args + 1) > eq_model_ops(model)) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    const uint16_t first = load16(args + 1);
    uint16_t length = 1;
    for (uint16_t i = 0; i < EQ_OPS_WINDOW && first + i < eq_model_ops(model); i++) {
        store16(body() + length, eq_model_op(model, (uint16_t)(first + i)));
        store32(body() + length + 2, eq_ops_cycles(i));
        length = (uint16_t)(length + 6U);
    }
    eq_ops_stop();
    return length;
}

/* Requests about one model: the first byte of the body is its number. */
static uint16_t model_request(uint16_t sequence, uint8_t type, const uint8_t *args, uint16_t count)
{
    if (count < 1U || args[0] >= EQ_MODEL_COUNT) {
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
    switch (type) {
    case EQ_SERIAL_MODEL:
        return describe(args[0]);
    case EQ_SERIAL_TENSOR:
        return tensor(args[0], args, count);
    case EQ_SERIAL_WRITE:
        return write_input(args[0], args, count);
    case EQ_SERIAL_INVOKE:
        return invoke(args[0], sequence, args, count);
    case EQ_SERIAL_READ:
        return read_output(args[0], args, count);
    case EQ_SERIAL_RESET:
        return reset(args[0], sequence);
    case EQ_SERIAL_WATCH:
        return watch(args[0], args, count);
    case EQ_SERIAL_OPS:
        return op_cycles(args[0], args, count);
    case EQ_SERIAL_TEST:
        answer(sequence, type, refuse(EQ_SERIAL_WORKING));
        body()[0] = EQ_SERIAL_OK;
        store32(body() + 1, (uint32_t)eq_model_selftest(args[0]));
        return 5;
    default:
        return refuse(EQ_SERIAL_BAD_REQUEST);
    }
}

static void handle(const uint8_t *frame, uint16_t length)
{
    const uint16_t session = load16(frame);
    const uint16_t sequence = load16(frame + 2);
    const uint8_t type = frame[4];
    const uint16_t count = (uint16_t)(length - HEAD);
    body()[0] = EQ_SERIAL_OK;
    uint16_t reply = 1;
    if (type == EQ_SERIAL_HELLO && session != 0U) {
        reply = hello(session);
    } else if (session != serial.session || session == 0U) {
        reply = refuse(EQ_SERIAL_NO_SESSION);
    } else if (type == EQ_SERIAL_STATS) {
        store32(body() + 1, eq_port_stack_bytes());
        reply = 5;
    } else {
        reply = model_request(sequence, type, frame + HEAD, count);
    }
    answer(sequence, type, reply);
}

static void end_of_frame(void)
{
    uint16_t length = 0;
    if (serial.received <= ENCODED) {
        length = cobs_decode(serial.in, serial.received);
    }
    if (length < HEAD + CRC) {
        answer(0, EQ_SERIAL_DAMAGED, 0);
        return;
    }
    length = (uint16_t)(length - CRC);
    if (crc32(0, serial.in, length) != load32(serial.in + length)) {
        answer(0, EQ_SERIAL_DAMAGED, 0);
        return;
    }
    handle(serial.in, length);
}

void eq_serial_receive(uint8_t byte)
{
    if (byte != 0U) {
        if (serial.received < ENCODED) {
            serial.in[serial.received] = byte;
            serial.received++;
        } else {
            serial.received = ENCODED + 1;
        }
        return;
    }
    if (serial.received > 0U) {
        end_of_frame();
    }
    serial.received = 0;
}
