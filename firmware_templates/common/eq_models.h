/* The models of this firmware: {{ models | map(attribute="name") | join(", ") }}. */
#ifndef EQ_MODELS_H
#define EQ_MODELS_H

#include <stdint.h>

enum { EQ_MODEL_COUNT = {{ models | length }} };

/* Core clock that this firmware runs at, which turns cycles into time; 0 if unknown. */
#define EQ_CLOCK_HZ {{ clock_hz }}U

/* The board, and whether it is an emulated machine, whose counters are no chip's. */
#define EQ_TARGET "{{ target.name }}"
#define EQ_EMULATED {{ 1 if target.kind == "emulator" else 0 }}U

/* To be called once, before anything else here. */
void eq_models_init(void);

/* `model` counts from 0 to EQ_MODEL_COUNT - 1, in the order above. */
const char *eq_model_name(uint8_t model);
const uint8_t *eq_model_sha256(uint8_t model); /* of the .tflite file, 32 bytes */
uint32_t eq_model_arena_bytes(uint8_t model);
uint8_t eq_model_inputs(uint8_t model);
uint8_t eq_model_outputs(uint8_t model);
uint32_t eq_model_input_bytes(uint8_t model, uint8_t index);
uint32_t eq_model_output_bytes(uint8_t model, uint8_t index);
uint8_t *eq_model_input(uint8_t model, uint8_t index);
const uint8_t *eq_model_output(uint8_t model, uint8_t index);
void eq_model_invoke(uint8_t model);
uint16_t eq_model_ops(uint8_t model); /* as they are executed */
uint16_t eq_model_op(uint8_t model, uint16_t step); /* its number in the .tflite file, or 65535 */
uint8_t eq_model_has_state(uint8_t model);
void eq_model_reset(uint8_t model);
uint8_t eq_model_has_selftest(uint8_t model);
int eq_model_selftest(uint8_t model); /* 0, or the number of the first op that differs */

#endif
