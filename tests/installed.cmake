# Installs the library into a folder of its own, builds examples/ against it and runs the example on generated text.
#   cmake -DBUILD=build/release -DSOURCE=. -DWORK=folder -P tests/installed.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: exit code ${code}\n${out}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
file(GLOB_RECURSE headers ${WORK}/prefix/include/*.h)
foreach(header IN LISTS headers)  # ours and the standard library's alone
  file(STRINGS ${header} foreign REGEX "^#include <([^n].*[/.]|n[^o].*[/.])")
  if(foreign)
    message(FATAL_ERROR "${header} includes ${foreign}")
  endif()
endforeach()
foreach(target IN ITEMS normscope f64)
  run(${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${WORK}/${target} -DCMAKE_PREFIX_PATH=${WORK}/prefix
      -DCMAKE_BUILD_TYPE=Release -DNORMSCOPE_TARGET=normscope::${target}
      "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wconversion -Wno-sign-conversion -Werror")
  run(${CMAKE_COMMAND} --build ${WORK}/${target})
endforeach()
set(text "")
foreach(i RANGE 1500)
  string(APPEND text "the norm of row ${i} is one\n")
endforeach()
file(WRITE ${WORK}/text.txt "${text}")
execute_process(COMMAND ${WORK}/normscope/train_a_model ${WORK}/text.txt WORKING_DIRECTORY ${WORK}
                RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
message("${out}")
if(NOT code EQUAL 0 OR NOT EXISTS ${WORK}/model.h5 OR NOT out MATCHES "validation loss [0-1]\\.")
  message(FATAL_ERROR "the example ended with exit code ${code}")
endif()
