"""Projects for frameworks that bring their own start-up code: Arduino, Zephyr, ESP-IDF, ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgeq.boards.target import Target
from edgeq.firmware.layout import (
    Layout,
    common_context,
    common_files,
    include_folders,
    listener,
    listening_files,
    model_sources,
    tflm_files,
)
from edgeq.firmware.model import FirmwareModel

_MICROPHONE = ("microphone.c", "microphone.h")


def arduino(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """An Arduino library with a sketch among its examples."""
    files = common_files("src/") | {
        "library.properties": "arduino/library.properties",
        "src/eq_arduino.h": "arduino/eq_arduino.h",
        "src/eq_arduino.cpp": "arduino/eq_arduino.cpp",
        f"examples/{name}/{name}.ino": "arduino/sketch.ino",
        "README.md": "arduino/README.md",
        **listening_files(models, "src/"),
    }
    if listener(models) is not None:
        sketch = f"{name}_microphone"
        files[f"examples/{sketch}/{sketch}.ino"] = "arduino/microphone.ino"
    return Layout(files, common_context(models, target, name), "src/")


def platformio(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """A PlatformIO project on the Arduino framework."""
    platform, _, board = target.frameworks["platformio"].partition("/")
    files = common_files("lib/app/src/") | {
        "platformio.ini": "platformio/platformio.ini",
        "lib/model/library.json": "platformio/library.json",
        "src/main.cpp": "platformio/main.cpp",
        "lib/app/src/eq_arduino.h": "arduino/eq_arduino.h",
        "lib/app/src/eq_arduino.cpp": "arduino/eq_arduino.cpp",
        "README.md": "platformio/README.md",
        **listening_files(models, "lib/app/src/"),
    }
    context = common_context(models, target, name)
    context |= {"pio_platform": platform, "pio_board": board}
    return Layout(files, context, "lib/model/src/")


def zephyr(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """A Zephyr module and an application that uses it."""
    files = common_files("src/") | {
        "zephyr/module.yml": "zephyr/module.yml",
        "Kconfig": "zephyr/Kconfig",
        "CMakeLists.txt": "zephyr/module.cmake",
        "app/CMakeLists.txt": "zephyr/app.cmake",
        "app/prj.conf": "zephyr/prj.conf",
        "app/src/main.c": "zephyr/main.c",
        "app/src/cycles_dwt.c": "bare-metal/cycles_dwt.c",
        "README.md": "zephyr/README.md",
        **listening_files(models, "src/"),
    }
    if listener(models) is not None:
        files["app/microphone.conf"] = "zephyr/microphone.conf"
        for file in _MICROPHONE:
            files[f"app/src/{file}"] = f"zephyr/{file}"
    return _with_sources(files, models, target, name, "model/")


def esp_idf(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """An ESP-IDF component and an application that uses it."""
    component = "components/model/"
    files = common_files(component) | {
        "CMakeLists.txt": "esp-idf/CMakeLists.txt",
        "sdkconfig.defaults": "esp-idf/sdkconfig.defaults",
        f"{component}CMakeLists.txt": "esp-idf/component.cmake",
        f"{component}idf_component.yml": "esp-idf/idf_component.yml",
        "main/CMakeLists.txt": "esp-idf/main.cmake",
        "main/main.c": "esp-idf/main.c",
        "README.md": "esp-idf/README.md",
        **listening_files(models, component),
    }
    if listener(models) is not None:
        for file in _MICROPHONE:
            files[f"main/{file}"] = f"esp-idf/{file}"
    context = common_context(models, target, name)
    own = [path.removeprefix(component) for path in files if path.startswith(component)]
    context |= {
        "sources": sorted(path for path in own if path.endswith(".c")) + model_sources(models, ""),
        "include_folders": include_folders(models, ""),
    }
    return Layout(files, context, component)


def pico_sdk(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """A CMake project on the Pico SDK."""
    files = common_files("src/") | {
        "CMakeLists.txt": "pico-sdk/CMakeLists.txt",
        "src/main.c": "pico-sdk/main.c",
        "README.md": "pico-sdk/README.md",
        **tflm_files(models, "src/"),
        **listening_files(models, "src/"),
    }
    layout = _with_sources(files, models, target, name, "model/")
    if listener(models) is None:
        return layout
    # Compiled with an option of its own, so no part of the sources.
    more = {f"src/microphone/{file}": f"pico-sdk/{file}" for file in _MICROPHONE}
    return replace(layout, files={**layout.files, **more})


def plain_sources(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """Sources for an IDE, with a CMSIS-Pack description."""
    files = common_files("src/") | {
        "src/main.c": "sources/main.c",
        **listening_files(models, "src/"),
        f"edgeq.{name}.pdsc": "sources/package.pdsc",
        "README.md": "sources/README.md",
        **tflm_files(models, "src/"),
    }
    return _with_sources(files, models, target, name, "model/")


def _with_sources(
    files: dict[str, str],
    models: Sequence[FirmwareModel],
    target: Target,
    name: str,
    folder: str,
) -> Layout:
    own = sorted(path for path in files if path.startswith("src/") and path.endswith((".c", ".cc")))
    context: dict[str, Any] = common_context(models, target, name)
    context |= {
        "sources": own + model_sources(models, folder),
        "include_folders": include_folders(models, folder),
    }
    return Layout(files, context, folder)
