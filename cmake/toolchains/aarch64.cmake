# Debian's cross compiler for 64-bit ARM: apt-get install g++-aarch64-linux-gnu.
# To link the program as well: dpkg --add-architecture arm64 && apt-get update && apt-get install libfmt-dev:arm64
# libspdlog-dev:arm64. Without them the headers of the building machine's packages are enough to compile.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
foreach(package fmt spdlog)
  if(NOT EXISTS "/usr/lib/aarch64-linux-gnu/cmake/${package}")
    file(GLOB ${package}_DIR "/usr/lib/*/cmake/${package}")
  endif()
endforeach()
