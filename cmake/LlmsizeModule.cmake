# What fetches, words, wires and tests compiles with fewer optimizations than what computes: they take most of its compile
# time and a few per cent of a run's at most (docs/PERFORMANCE.md).
set(LLMSIZE_EDGE_OPTIONS $<$<CONFIG:Release>:-Og> $<$<CONFIG:Debug>:-O0>)

# llmsize_precompile(NAME [EDGE] LINK library... HEADERS header...)
#
# Headers that cost more to parse than the sources that include them, parsed once for all targets that name NAME. In a
# debug build sources without optimizations cannot use what was parsed with them, so the edges get NAME_edge there.
function(llmsize_precompile name)
  cmake_parse_arguments(ARG "EDGE" "" "LINK;HEADERS" ${ARGN})
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(GENERATE OUTPUT "${source}" CONTENT "// Something to compile, so that the headers are.\n")
  add_library(${name} OBJECT "${source}")
  target_link_libraries(${name} PRIVATE llmsize_options ${ARG_LINK})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  if(ARG_EDGE)
    target_compile_options(${name} PRIVATE ${LLMSIZE_EDGE_OPTIONS})
  endif()
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  if(CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT ARG_EDGE)
    llmsize_precompile(${name}_edge EDGE ${ARGN})
  endif()
endfunction()

# llmsize_module(NAME [EDGE] [DEPENDS module...] [LINK library...] [PRIVATE_LINK library...] [PRECOMPILED name])
#
# Makes the static library llmsize_NAME from src/NAME/*.cpp with the headers of include/llmsize. DEPENDS names the
# modules that this one may include (tests/architecture/layers.cmake holds the same rule against the sources).
# An EDGE compiles with LLMSIZE_EDGE_OPTIONS.
function(llmsize_module name)
  cmake_parse_arguments(ARG "EDGE" "PRECOMPILED" "DEPENDS;LINK;PRIVATE_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  set(target llmsize_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(visibility PUBLIC)
    target_link_libraries(${target} PRIVATE ${ARG_PRIVATE_LINK})
  else()
    add_library(${target} INTERFACE)
    set(visibility INTERFACE)
  endif()
  if(sources AND ARG_EDGE)
    target_compile_options(${target} PRIVATE ${LLMSIZE_EDGE_OPTIONS})
    if(TARGET ${ARG_PRECOMPILED}_edge)
      set(ARG_PRECOMPILED ${ARG_PRECOMPILED}_edge)
    endif()
  endif()
  if(sources AND ARG_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM ${ARG_PRECOMPILED})
  endif()
  target_include_directories(${target} ${visibility} "${PROJECT_SOURCE_DIR}/include")
  list(TRANSFORM ARG_DEPENDS PREPEND llmsize_)
  target_link_libraries(${target} ${visibility} llmsize_options ${ARG_DEPENDS} ${ARG_LINK})
endfunction()
