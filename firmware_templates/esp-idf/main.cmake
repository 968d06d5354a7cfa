# The UART's driver is a component of its own from ESP-IDF 5.3 on, and not part of `driver` from 6.0
# on; the linux target, for tests on a computer, has none.
idf_build_get_property(idf_path IDF_PATH)
idf_build_get_property(target IDF_TARGET)
set(needed model)
if(NOT target STREQUAL "linux")
    list(APPEND needed esp_hw_support)
    if(EXISTS "${idf_path}/components/esp_driver_uart")
        list(APPEND needed esp_driver_uart)
    else()
        list(APPEND needed driver)
    endif()
endif()
{% if listener %}
# idf.py -DEQ_MICROPHONE=1 build: an I2S microphone instead of the serial protocol.
set(sources "main.c")
if(EQ_MICROPHONE)
    list(APPEND sources "microphone.c")
    list(APPEND needed esp_driver_i2s)
endif()
idf_component_register(SRCS ${sources} REQUIRES ${needed})
if(EQ_MICROPHONE)
    target_compile_definitions(${COMPONENT_LIB} PRIVATE EQ_MICROPHONE=1)
endif()
{% else %}
idf_component_register(SRCS "main.c" REQUIRES ${needed})
{% endif %}
