# The one place for language standard, warnings and sanitizers: an INTERFACE target that every module links.
option(LLMSIZE_BUILD_TESTS "Build the tests" ON)
option(LLMSIZE_BUILD_BENCHMARKS "Build the Google Benchmark programs in bench/" OFF)
option(LLMSIZE_BUILD_FUZZERS "Build the libFuzzer targets (clang only)" OFF)
option(LLMSIZE_WARNINGS_AS_ERRORS "Treat warnings as errors" OFF)
option(LLMSIZE_COVERAGE "Instrument for line coverage" OFF)
option(LLMSIZE_STATIC_LIBRARIES "Link libstdc++, fmt and spdlog statically into the binary" OFF)
set(LLMSIZE_SANITIZERS "" CACHE STRING "Comma-separated list for -fsanitize=, for example address,undefined")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_EXTENSIONS OFF)

add_library(llmsize_options INTERFACE)
target_compile_features(llmsize_options INTERFACE cxx_std_20)
target_compile_options(llmsize_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wswitch-enum
  $<$<BOOL:${LLMSIZE_WARNINGS_AS_ERRORS}>:-Werror>)
# GCC 12 warns falsely about concatenated and optional strings once it inlines (GCC bugs 105651, 105329, 105593); clang
# and the sanitizers watch the same ground in the gate.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(llmsize_options INTERFACE
    -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized)
endif()
if(LLMSIZE_SANITIZERS)
  target_compile_options(llmsize_options INTERFACE -fsanitize=${LLMSIZE_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(llmsize_options INTERFACE -fsanitize=${LLMSIZE_SANITIZERS})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # A C library opened at run time has its own types for what llmsize declares: NVML's handles, for one.
    target_compile_options(llmsize_options INTERFACE -fno-sanitize=function)
  endif()
endif()
if(LLMSIZE_COVERAGE)
  target_compile_options(llmsize_options INTERFACE --coverage)
  target_link_options(llmsize_options INTERFACE --coverage)
  # What the tests ran of the core, line by line in build/coverage/coverage.html; fails below nine lines in ten.
  find_program(LLMSIZE_GCOVR gcovr)
  if(NOT LLMSIZE_GCOVR)
    message(FATAL_ERROR "llmsize needs gcovr for coverage. On Debian or Ubuntu: apt-get install gcovr")
  endif()
  add_custom_target(coverage_report
    COMMAND ${LLMSIZE_GCOVR} --root ${PROJECT_SOURCE_DIR} --filter ${PROJECT_SOURCE_DIR}/src/core/ --exclude-throw-branches --fail-under-line 90
      --html-details coverage.html --print-summary --txt ${CMAKE_BINARY_DIR}/coverage.txt ${CMAKE_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR} COMMENT "Line coverage of src/core" VERBATIM)
endif()
