# {{ target.title }}: {{ target.cpu }}{% for feature in target.isa %} {{ feature }}{% endfor %}

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR {{ target.cpu }})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
{% if target.toolchain == "riscv" %}
find_program(EQ_CC NAMES riscv64-unknown-elf-gcc riscv32-unknown-elf-gcc riscv-none-elf-gcc REQUIRED)
find_program(CMAKE_OBJCOPY NAMES riscv64-unknown-elf-objcopy riscv32-unknown-elf-objcopy riscv-none-elf-objcopy REQUIRED)
set(CMAKE_C_COMPILER ${EQ_CC})
set(CMAKE_ASM_COMPILER ${EQ_CC})
set(EQ_CPU "{{ target.gcc_flags | join(" ") }}")
# Debian's toolchain comes with picolibc, others with newlib.
execute_process(COMMAND ${EQ_CC} -print-file-name=picolibc.specs OUTPUT_VARIABLE EQ_SPECS OUTPUT_STRIP_TRAILING_WHITESPACE)
if(IS_ABSOLUTE "${EQ_SPECS}")
    string(APPEND EQ_CPU " --specs=picolibc.specs")
endif()
{% else %}
find_program(EQ_CC NAMES arm-none-eabi-gcc REQUIRED)
find_program(CMAKE_OBJCOPY NAMES arm-none-eabi-objcopy REQUIRED)
set(CMAKE_C_COMPILER ${EQ_CC})
set(EQ_CPU "{{ target.gcc_flags | join(" ") }}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "--specs=nano.specs --specs=nosys.specs")
{% endif %}
set(CMAKE_C_FLAGS_INIT "${EQ_CPU}")
set(CMAKE_ASM_FLAGS_INIT "${EQ_CPU}")
