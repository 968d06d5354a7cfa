"""Projects for other people's frameworks, without the frameworks.

Every C and C++ source is compiled with the real cross compiler against small headers that declare
what the framework's public API offers. None of it replaces the real SDK.
"""

import shutil
import subprocess

import pytest

from edgeq.boards.target import load_target
from edgeq.errors import EdgeqError
from edgeq.firmware.create import create_project
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.tools import need

HEADERS = {
    "zephyr": {
        "zephyr/device.h": "#include <stdbool.h>\nstruct device { int x; };\n"
        "extern const struct device console;\n#define DT_CHOSEN(node) node\n"
        "#define DEVICE_DT_GET(node) (&console)\nbool device_is_ready(const struct device *dev);\n",
        "zephyr/drivers/uart.h": "#include <zephyr/device.h>\n"
        "void uart_poll_out(const struct device *dev, unsigned char byte);\n"
        "int uart_poll_in(const struct device *dev, unsigned char *byte);\n",
        "zephyr/kernel.h": "#include <stdint.h>\n"
        "void k_yield(void);\nuint32_t k_cycle_get_32(void);\n"
        "int sys_clock_hw_cycles_per_sec(void);\n",
    },
    "esp-idf": {
        "driver/uart.h": "#include <stddef.h>\n#include <stdint.h>\n"
        "typedef enum { UART_NUM_0 } uart_port_t;\n"
        "enum { UART_DATA_8_BITS, UART_PARITY_DISABLE, UART_STOP_BITS_1 };\n"
        "enum { UART_HW_FLOWCTRL_DISABLE };\n"
        "typedef struct { int baud_rate, data_bits, parity, stop_bits, flow_ctrl; }\n"
        "uart_config_t;\n"
        "int uart_param_config(uart_port_t port, const uart_config_t *config);\n"
        "int uart_driver_install(uart_port_t port, int rx, int tx, int size, void *queue, int f);\n"
        "int uart_write_bytes(uart_port_t port, const void *data, size_t size);\n"
        "int uart_read_bytes(uart_port_t port, void *data, uint32_t size, uint32_t ticks);\n"
        "void app_main(void);\n",
        "sdkconfig.h": "",
        "esp_cpu.h": "#include <stdint.h>\nuint32_t esp_cpu_get_cycle_count(void);\n",
        "freertos/FreeRTOS.h": "#include <stdint.h>\n",
        "freertos/task.h": "void vTaskDelay(uint32_t ticks);\n",
    },
    "pico-sdk": {
        "hardware/clocks.h": "#include <stdint.h>\nenum clock_index { clk_sys };\n"
        "uint32_t clock_get_hz(enum clock_index clock);\n",
        "pico/stdlib.h": "#include <stdbool.h>\n#include <stdint.h>\n"
        "#define PICO_ERROR_TIMEOUT (-1)\nbool stdio_init_all(void);\n"
        "bool stdio_usb_connected(void);\nint putchar_raw(int c);\n"
        "int getchar_timeout_us(uint32_t us);\nvoid tight_loop_contents(void);\n"
        "uint32_t time_us_32(void);\nvoid sleep_ms(uint32_t ms);\n",
    },
    "arduino": {
        "Arduino.h": "#include <stdint.h>\nclass Port {\npublic:\n"
        "    void begin(unsigned long baud);\n    int available();\n    int read();\n"
        "    unsigned write(uint8_t byte);\n    explicit operator bool();\n};\n"
        "extern Port Serial;\nunsigned long millis();\nunsigned long micros();\nvoid yield();\n"
        "void setup();\nvoid loop();\n",
    },
}
HEADERS["platformio"] = HEADERS["arduino"]
BOARDS = {
    "zephyr": "nrf52840-dk",
    "esp-idf": "esp32-c3-devkitm-1",
    "pico-sdk": "raspberry-pi-pico",
    "arduino": "arduino-nano-33-ble",
    "platformio": "arduino-nano-33-ble",
    "sources": "ek-ra8m1",
}
COMPILERS = {
    "arm-none-eabi": ["arm-none-eabi-gcc"],
    "riscv": ["riscv64-unknown-elf-gcc", "--specs=picolibc.specs"],
}
FLAGS = ["-O2", "-Wall", "-Wextra", "-Wshadow", "-Wundef", "-Werror"]
C_FLAGS = ["-std=c99", "-Wpedantic", "-Wconversion", "-Wstrict-prototypes", "-Wmissing-prototypes"]


@pytest.fixture(params=BOARDS)
def project(request, models, tmp_path):
    folder = tmp_path / "fw"
    create_project(
        [models / "sww_int8.tflite"],
        folder,
        target=BOARDS[request.param],
        template=request.param,
        name="sww",
    )
    return request.param, folder


def test_every_source_compiles_without_a_warning(project, tmp_path):
    kind, folder = project
    target = load_target(BOARDS[kind])
    gcc = COMPILERS[target.toolchain]
    need(shutil.which(gcc[0]), gcc[0])
    include = tmp_path / "include"
    for name, text in HEADERS.get(kind, {}).items():
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text(f"#pragma once\n{text}")
    folders = sorted({header.parent for header in folder.rglob("*.h")})
    paths = [f"-I{path}" for path in [include, *folders]]
    sources = [path for ending in ("c", "cpp", "ino") for path in folder.rglob(f"*.{ending}")]
    assert len(sources) >= 6
    for source in sources:
        plain = source.suffix == ".c"
        compiler = [*gcc, *C_FLAGS] if plain else ["arm-none-eabi-g++", "-std=c++17"]
        language = ["-x", "c" if plain else "c++"]
        command = [
            *compiler,
            *target.gcc_flags,
            *FLAGS,
            *paths,
            *language,
            "-fsyntax-only",
            str(source),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_zephyr_counts_the_cores_cycles(models, tmp_path):
    """Not those of Zephyr's timer: 32,768 a second on an nRF52, 16 million on an ESP32-C3."""
    counted = {}
    for board in ("nrf52840-dk", "esp32-c3-devkitm-1"):
        folder = tmp_path / board
        create_project([models / "ad01_int8.tflite"], folder, target=board, template="zephyr")
        main = (folder / "app" / "src" / "main.c").read_text()
        counted[board] = main.partition("#if !defined(CONFIG_CPU_CORTEX_M_HAS_DWT)")[2]
        assert "src/cycles_dwt.c" in (folder / "app" / "CMakeLists.txt").read_text()
        assert "DWT_CYCCNT;" in (folder / "app" / "src" / "cycles_dwt.c").read_text()
    assert "sys_clock_hw_cycles_per_sec() < 32000000 ? 0" in counted["nrf52840-dk"]
    assert "sys_clock_hw_cycles_per_sec() < 80000000 ? 0" in counted["esp32-c3-devkitm-1"]


def test_mlperf_tiny_takes_bytes_out_of_bytes(tmp_path):
    """Its firmware reads answers as int8: of floats it gave the bytes."""
    tensors = [TensorSpec((1, 8), "int8", 0.1), TensorSpec((1, 8), "float32")]
    (tmp_path / "ic.tflite").write_bytes(
        build([SubgraphSpec(tensors, [OpSpec("DEQUANTIZE", [0], [1])], [0], [1])])
    )
    with pytest.raises(EdgeqError, match="one int8 output"):
        create_project(
            [tmp_path / "ic.tflite"],
            tmp_path / "fw",
            target="qemu-mps2-an386",
            template="mlperf-tiny",
        )


def test_mlperf_tiny_answers_the_runner(models, tmp_path):
    import os

    from tests.firmware.boards import build as build_image
    from tests.firmware.boards import on_pty, read_until

    model = models / "kws_int8.tflite"
    folder, board = tmp_path / "kws", "qemu-mps2-an386"
    elf = build_image([model], folder, board, name="kws", template="mlperf-tiny")
    with on_pty(elf, "qemu-mps2-an386") as port:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
        import tty

        tty.setraw(handle)
        said = []
        data = bytes(range(256)) + bytes(234)
        commands = ["name", "profile", f"db load {len(data)}"]
        commands += [f"db {data[at : at + 35].hex()}" for at in range(0, len(data), 35)]
        commands += ["db print", "infer 2 1", "timestamp", "results", "nonsense"]
        for command in commands:
            os.write(handle, f"{command}%".encode())
            said.append(read_until(handle, "m-ready\r?\n", 20))
        # The banner may have come before the first command, or as its answer.
        if "nonsense" not in said[-1]:
            said.append(read_until(handle, "m-ready\r?\n", 20))
        os.close(handle)
    text = "".join(said)
    for wanted in (
        "m-name-dut-[edgeq]",
        "m-model-[kws01]",
        "m-[Expecting 490 bytes]",
        "m-load-done",
        "m-buffer-00-01-02-03-04-05-06-07",
        "m-infer-start-2",
        "m-infer-done",
        "m-results-[",
        "e-[Unknown command: nonsense]",
    ):
        assert wanted in text
    assert text.count("m-lap-us-") == 3
