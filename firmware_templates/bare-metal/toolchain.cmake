# The cross compiler for {{ target.title | hash_comment }}; what the CPU needs is in CMakeLists.txt.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR {{ target.cpu }})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
{% if target.toolchain == "riscv" %}
find_program(EQ_CC NAMES riscv64-unknown-elf-gcc riscv32-unknown-elf-gcc riscv-none-elf-gcc REQUIRED)
find_program(CMAKE_OBJCOPY NAMES riscv64-unknown-elf-objcopy riscv32-unknown-elf-objcopy riscv-none-elf-objcopy REQUIRED)
set(CMAKE_ASM_COMPILER ${EQ_CC})
{% else %}
find_program(EQ_CC NAMES arm-none-eabi-gcc REQUIRED)
find_program(CMAKE_OBJCOPY NAMES arm-none-eabi-objcopy REQUIRED)
{% endif %}
set(CMAKE_C_COMPILER ${EQ_CC})
{% if tflm_stems %}
string(REGEX REPLACE "gcc([^/]*)$" "g++\\1" EQ_CXX ${EQ_CC})
set(CMAKE_CXX_COMPILER ${EQ_CXX})
{% endif %}
