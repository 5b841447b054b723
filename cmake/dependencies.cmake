# Every outside library, found once, with a message that names the Debian package (the list: script/packages.txt).
function(normscope_require found package)
  if(NOT ${found})
    message(FATAL_ERROR "normscope needs the Debian package ${package}: apt-get install ${package} "
                        "(script/bootstrap installs all of script/packages.txt)")
  endif()
endfunction()

find_package(OpenMP QUIET COMPONENTS CXX)
normscope_require(OpenMP_CXX_FOUND g++)

find_program(PKG_CONFIG_EXECUTABLE pkg-config)
normscope_require(PKG_CONFIG_EXECUTABLE pkg-config)
find_package(PkgConfig QUIET REQUIRED)

# oneDNN's own CMake package wants OpenCL headers on Debian 12; header and library are all we use.
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h)
find_library(DNNL_LIBRARY dnnl)
normscope_require(DNNL_INCLUDE libdnnl-dev)
normscope_require(DNNL_LIBRARY libdnnl-dev)
add_library(dnnl_found INTERFACE)
target_include_directories(dnnl_found INTERFACE ${DNNL_INCLUDE})
target_link_libraries(dnnl_found INTERFACE ${DNNL_LIBRARY})
add_library(PkgConfig::dnnl ALIAS dnnl_found)

# The openmp variant: the pthread variant spins beside our threads and slows them many times over.
find_library(OPENBLAS_LIBRARY NAMES openblas PATH_SUFFIXES openblas-openmp NO_CACHE)
find_path(OPENBLAS_INCLUDE cblas.h PATH_SUFFIXES openblas-openmp ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp
          ${CMAKE_LIBRARY_ARCHITECTURE})
normscope_require(OPENBLAS_LIBRARY libopenblas-openmp-dev)
normscope_require(OPENBLAS_INCLUDE libopenblas-openmp-dev)
include_directories(SYSTEM ${OPENBLAS_INCLUDE})

pkg_check_modules(hwy QUIET IMPORTED_TARGET libhwy)
normscope_require(hwy_FOUND libhwy-dev)
add_library(hwy ALIAS PkgConfig::hwy)
# One source is compiled for every instruction set it may meet; those that bring nothing to these kernels are left out.
if(hwy_VERSION VERSION_LESS 1.1)
  set(HWY_LEFT_OUT "HWY_SSE4")                # there remain: plain C++, SSSE3, AVX2, AVX3
else()
  set(HWY_LEFT_OUT "(HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL|HWY_AVX3_ZEN4|HWY_AVX3_SPR)")   # SSE2, AVX2, AVX3
endif()

find_path(RANDOM123_INCLUDE Random123/philox.h)
normscope_require(RANDOM123_INCLUDE librandom123-dev)

pkg_check_modules(hdf5 QUIET IMPORTED_TARGET hdf5-serial)
if(NOT hdf5_FOUND)
  pkg_check_modules(hdf5 QUIET IMPORTED_TARGET hdf5)
endif()
normscope_require(hdf5_FOUND libhdf5-dev)
# The high-level part (dimension scales) comes with the same package but has no pkg-config file on Debian 12.
find_library(HDF5_HL_LIBRARY NAMES hdf5_hl hdf5_serial_hl HINTS ${hdf5_LIBRARY_DIRS})
normscope_require(HDF5_HL_LIBRARY libhdf5-dev)
add_library(hdf5_found INTERFACE)
target_link_libraries(hdf5_found INTERFACE ${HDF5_HL_LIBRARY} PkgConfig::hdf5)
add_library(hdf5::c ALIAS hdf5_found)

find_package(spdlog QUIET)
normscope_require(spdlog_FOUND libspdlog-dev)
find_package(fmt QUIET)
normscope_require(fmt_FOUND libfmt-dev)
find_package(nlohmann_json QUIET)
normscope_require(nlohmann_json_FOUND nlohmann-json3-dev)
find_package(tomlplusplus QUIET)
normscope_require(tomlplusplus_FOUND libtomlplusplus-dev)
find_package(CLI11 QUIET)
normscope_require(CLI11_FOUND libcli11-dev)
find_package(OpenSSL QUIET COMPONENTS Crypto)
normscope_require(OPENSSL_FOUND libssl-dev)
pkg_check_modules(libzip QUIET IMPORTED_TARGET libzip)
normscope_require(libzip_FOUND libzip-dev)
find_package(Boost QUIET)
normscope_require(Boost_FOUND libboost-dev)
if(NORMSCOPE_TESTS)
  find_package(GTest QUIET)
  normscope_require(GTest_FOUND libgtest-dev)
  find_package(benchmark QUIET)
  normscope_require(benchmark_FOUND libbenchmark-dev)
endif()
