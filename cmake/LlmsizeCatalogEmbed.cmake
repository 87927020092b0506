# llmsize_embed_catalog(TARGET FOLDER)
#
# Compiles every *.json below FOLDER into TARGET, with an index of the entries, so that only the entries that a
# command names are ever parsed. The generator runs on the building host; when cross-compiling it is built with the
# host's own compiler.
function(llmsize_embed_catalog target folder)
  file(GLOB_RECURSE catalog_files CONFIGURE_DEPENDS "${folder}/*.json")
  set(generated "${CMAKE_CURRENT_BINARY_DIR}/catalog_embedded.cpp")
  set(generator_source "${PROJECT_SOURCE_DIR}/cmake/embed_catalog.cpp")
  if(CMAKE_CROSSCOMPILING)
    find_program(LLMSIZE_HOST_CXX NAMES c++ g++ clang++ REQUIRED)
    set(generator "${CMAKE_CURRENT_BINARY_DIR}/embed_catalog")
    add_custom_command(OUTPUT "${generator}" COMMAND "${LLMSIZE_HOST_CXX}" -std=c++20 -O1 -o "${generator}" "${generator_source}"
      DEPENDS "${generator_source}" COMMENT "Building the catalog generator for the host")
    set(generator_command "${generator}")
  else()
    add_executable(llmsize_embed_catalog "${generator_source}")
    target_link_libraries(llmsize_embed_catalog PRIVATE llmsize_options)
    set(generator llmsize_embed_catalog)
    set(generator_command llmsize_embed_catalog)
  endif()
  add_custom_command(OUTPUT "${generated}" COMMAND ${generator_command} "${folder}" "${generated}"
    DEPENDS ${generator} ${catalog_files} COMMENT "Embedding the catalogs")
  # Generated text is not linted, and its literals are longer than ISO C++ asks compilers to accept (GCC and Clang do).
  add_library(${target}_data OBJECT "${generated}")
  target_link_libraries(${target}_data PRIVATE llmsize_options)
  target_include_directories(${target}_data PRIVATE "${PROJECT_SOURCE_DIR}/include")
  target_compile_options(${target}_data PRIVATE -Wno-overlength-strings)
  set_target_properties(${target}_data PROPERTIES CXX_CLANG_TIDY "")
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_data>)
endfunction()
