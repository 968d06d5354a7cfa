cmake_minimum_required(VERSION 3.20)
list(APPEND ZEPHYR_EXTRA_MODULES ${CMAKE_CURRENT_SOURCE_DIR}/..)
find_package(Zephyr REQUIRED HINTS $ENV{ZEPHYR_BASE})
project({{ name }})
target_sources(app PRIVATE src/main.c)
# Where the core counts its cycles; Zephyr's own clock is another, 32,768 Hz on Nordic's chips.
target_sources_ifdef(CONFIG_CPU_CORTEX_M_HAS_DWT app PRIVATE src/cycles_dwt.c)
{% if listener %}
target_sources_ifdef(CONFIG_AUDIO_DMIC app PRIVATE src/microphone.c)
{% endif %}
