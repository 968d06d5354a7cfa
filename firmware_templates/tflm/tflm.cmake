# TensorFlow Lite Micro out of the tree at TFLM_ROOT: a checkout with its third-party downloads, or
# what its create_tflm_tree.py makes.
set(TFLM_ROOT "$ENV{TFLM_ROOT}" CACHE PATH "TensorFlow Lite Micro's source tree")
set(EQ_TFLM_KERNELS "{{ tflm_kernels }}" CACHE STRING "reference or cmsis-nn; the arena is made for this one")
if(NOT TFLM_ROOT)
    message(FATAL_ERROR "TFLM_ROOT is not set: cmake -DTFLM_ROOT=path/to/tflite-micro")
endif()
if(NOT EXISTS "${TFLM_ROOT}/tensorflow/lite/micro/micro_interpreter.h")
    message(FATAL_ERROR "TFLM_ROOT=${TFLM_ROOT} is not TensorFlow Lite Micro: tensorflow/lite/micro/micro_interpreter.h is not there")
endif()
if(NOT EXISTS "${TFLM_ROOT}/tensorflow/lite/micro/kernels/decompress.cc")
    message(FATAL_ERROR "TFLM_ROOT=${TFLM_ROOT} is too old: kernels/decompress.cc (2024) is not there")
endif()

function(eq_third_party result header)
    foreach(folder ${ARGN})
        foreach(root ${TFLM_ROOT}/third_party ${TFLM_ROOT}/tensorflow/lite/micro/tools/make/downloads)
            if(EXISTS "${root}/${folder}/${header}")
                set(${result} "${root}/${folder}" PARENT_SCOPE)
                return()
            endif()
        endforeach()
    endforeach()
    message(FATAL_ERROR "${header} is not in TFLM_ROOT: make -f tensorflow/lite/micro/tools/make/Makefile third_party_downloads")
endfunction()
eq_third_party(EQ_FLATBUFFERS flatbuffers/flatbuffers.h flatbuffers/include)
eq_third_party(EQ_GEMMLOWP fixedpoint/fixedpoint.h gemmlowp)
eq_third_party(EQ_RUY ruy/profiler/instrumentation.h ruy)

set(EQ_MICRO ${TFLM_ROOT}/tensorflow/lite/micro)
file(GLOB EQ_TFLM_SOURCES CONFIGURE_DEPENDS
    ${EQ_MICRO}/*.cc ${EQ_MICRO}/arena_allocator/*.cc ${EQ_MICRO}/memory_planner/*.cc
    ${EQ_MICRO}/tflite_bridge/*.cc
    ${TFLM_ROOT}/tensorflow/lite/core/c/common.cc ${TFLM_ROOT}/tensorflow/lite/core/api/*.cc
    ${TFLM_ROOT}/tensorflow/lite/kernels/kernel_util.cc
    ${TFLM_ROOT}/tensorflow/lite/kernels/internal/*.cc
    ${TFLM_ROOT}/tensorflow/compiler/mlir/lite/core/api/*.cc
    ${TFLM_ROOT}/tensorflow/compiler/mlir/lite/schema/*.cc)
list(FILTER EQ_TFLM_SOURCES EXCLUDE REGEX "(_test|test_helpers|test_helper_custom_ops|fake_|mock_|debug_log|micro_time|system_setup|recording_)[^/]*\\.cc$")
list(APPEND EQ_TFLM_SOURCES ${EQ_MICRO}/micro_time.cc)
foreach(kernel kernel_util decompress decode_state {{ tflm_stems | join(" ") }})
    if(EQ_TFLM_KERNELS STREQUAL "cmsis-nn" AND EXISTS ${EQ_MICRO}/kernels/cmsis_nn/${kernel}.cc)
        list(APPEND EQ_TFLM_SOURCES ${EQ_MICRO}/kernels/cmsis_nn/${kernel}.cc)
    elseif(EXISTS ${EQ_MICRO}/kernels/${kernel}.cc)
        list(APPEND EQ_TFLM_SOURCES ${EQ_MICRO}/kernels/${kernel}.cc)
    endif()
    if(EXISTS ${EQ_MICRO}/kernels/${kernel}_common.cc)
        list(APPEND EQ_TFLM_SOURCES ${EQ_MICRO}/kernels/${kernel}_common.cc)
    endif()
endforeach()

add_library(tflm STATIC ${EQ_TFLM_SOURCES})
set_target_properties(tflm PROPERTIES CXX_STANDARD 17)
target_include_directories(tflm SYSTEM PUBLIC
    ${TFLM_ROOT} ${EQ_FLATBUFFERS} ${EQ_GEMMLOWP} ${EQ_RUY})
target_compile_definitions(tflm PUBLIC TF_LITE_STATIC_MEMORY TF_LITE_USE_GLOBAL_CMATH_FUNCTIONS TF_LITE_USE_GLOBAL_MIN TF_LITE_USE_GLOBAL_MAX)
target_compile_options(tflm PRIVATE -O2 -w -ffunction-sections -fdata-sections
    $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti;-fno-exceptions;-fno-threadsafe-statics>)
if(EQ_TFLM_KERNELS STREQUAL "cmsis-nn")
    eq_third_party(EQ_CMSIS_NN Include/arm_nnfunctions.h cmsis_nn)
    file(GLOB_RECURSE EQ_CMSIS_NN_SOURCES ${EQ_CMSIS_NN}/Source/*.c)
    target_sources(tflm PRIVATE ${EQ_CMSIS_NN_SOURCES})
    target_include_directories(tflm SYSTEM PUBLIC ${EQ_CMSIS_NN} ${EQ_CMSIS_NN}/Include)
    target_compile_definitions(tflm PUBLIC CMSIS_NN)
endif()
