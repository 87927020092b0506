# What fetches, words, wires and tests compiles with fewer optimizations than what computes: they take most of its compile
# time and a few per cent of a run's at most (docs/PERFORMANCE.md).
set(LLMSIZE_EDGE_OPTIONS $<$<CONFIG:Release>:-Og> $<$<CONFIG:Debug>:-O0>)
# What computes: at -O2 it takes 6 % fewer instructions to plan, and 40 % more time to compile.
set(LLMSIZE_CORE_OPTIONS $<$<CONFIG:Release>:-O1>)

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

# Sources that include nlohmann_json, themselves or by a header of ours. With it precompiled every source, even an empty
# one, spends half a second on its pending templates, so only these get it.
set(LLMSIZE_JSON_INCLUDES "#include.*(nlohmann/json|json_values|estimate_document|emit/yaml)\\.hpp")

# llmsize_module(NAME [EDGE] [DEPENDS module...] [LINK library...] [PRIVATE_LINK library...] [PRECOMPILED name])
#
# Makes the static library llmsize_NAME from src/NAME/*.cpp with the headers of include/llmsize. DEPENDS names the
# modules that this one may include (tests/architecture/layers.cmake holds the same rule against the sources).
# An EDGE compiles with LLMSIZE_EDGE_OPTIONS. PRECOMPILED names the headers for sources without JSON.
function(llmsize_module name)
  cmake_parse_arguments(ARG "EDGE" "PRECOMPILED" "DEPENDS;LINK;PRIVATE_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  list(TRANSFORM ARG_DEPENDS PREPEND llmsize_)
  set(target llmsize_${name})
  if(NOT sources)
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} INTERFACE llmsize_options ${ARG_DEPENDS} ${ARG_LINK})
    return()
  endif()
  foreach(source IN LISTS sources)
    file(STRINGS "${source}" json_includes REGEX "${LLMSIZE_JSON_INCLUDES}")
    if(NOT json_includes STREQUAL "")
      list(APPEND json_sources "${source}")
    endif()
  endforeach()
  list(REMOVE_ITEM sources ${json_sources})
  add_library(${target} STATIC ${sources})
  llmsize_compile(${target} "${ARG_PRECOMPILED}")
  if(json_sources)
    add_library(${target}_json OBJECT ${json_sources})
    llmsize_compile(${target}_json llmsize_json_headers)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_json>)
  endif()
endfunction()

# What the parts of a module share; its arguments are those of the llmsize_module that calls.
macro(llmsize_compile part precompiled)
  target_include_directories(${part} PUBLIC "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${part} PUBLIC llmsize_options ${ARG_DEPENDS} ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  set(headers "${precompiled}")
  if(ARG_EDGE)
    target_compile_options(${part} PRIVATE ${LLMSIZE_EDGE_OPTIONS})
    if(TARGET ${headers}_edge)
      string(APPEND headers _edge)
    endif()
  else()
    target_compile_options(${part} PRIVATE ${LLMSIZE_CORE_OPTIONS})
  endif()
  if(headers)
    target_precompile_headers(${part} REUSE_FROM ${headers})
  endif()
endmacro()
