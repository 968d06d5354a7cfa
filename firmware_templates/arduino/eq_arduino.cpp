#include "eq_arduino.h"

#include <Arduino.h>

extern "C" {
#include "eq_port.h"
}

/* Cycle counters by core: DWT from Armv7-M on, ESP's own, else the clock in microseconds. */
#if defined(__ARM_ARCH) && __ARM_ARCH >= 7 && !defined(__ARM_ARCH_7A__)
#define EQ_DWT 1
static volatile uint32_t *const demcr = reinterpret_cast<volatile uint32_t *>(0xE000EDFCU);
static volatile uint32_t *const dwt = reinterpret_cast<volatile uint32_t *>(0xE0001000U);
#endif

void eq_arduino_begin(unsigned long baud)
{
    Serial.begin(baud);
    const unsigned long start = millis();
    while (!Serial && millis() - start < 3000UL) {
    }
    (void)eq_app_selftest();
}

extern "C" {

void eq_port_put(uint8_t byte)
{
    Serial.write(byte);
}

int eq_port_get(void)
{
    return Serial.available() > 0 ? Serial.read() : -1;
}

void eq_port_idle(void)
{
    yield();
}

uint32_t eq_port_stack_bytes(void)
{
    return 0;
}

void eq_port_cycles_start(void)
{
#if defined(EQ_DWT)
    *demcr = *demcr | 1UL << 24;
#if defined(__ARM_ARCH_7EM__)
    dwt[0xFB0 / 4] = 0xC5ACCE55UL; /* the Cortex-M7 keeps the unit locked */
#endif
    dwt[1] = 0;
    dwt[0] = dwt[0] | 1UL;
#endif
}

uint32_t eq_port_cycles(void)
{
#if defined(EQ_DWT)
    return dwt[1];
#elif defined(ESP_PLATFORM)
    return ESP.getCycleCount();
#elif defined(F_CPU)
    return static_cast<uint32_t>(micros()) * static_cast<uint32_t>(F_CPU / 1000000UL);
#else
    return static_cast<uint32_t>(micros());
#endif
}
}
