# Writes what `normscope help FLAG` prints: cmake -DPROGRAM=normscope -DFLAG=--man -DFILE=normscope.1 -P help_file.cmake
cmake_path(GET FILE PARENT_PATH folder)
file(MAKE_DIRECTORY ${folder})
execute_process(COMMAND ${PROGRAM} help ${FLAG} OUTPUT_FILE ${FILE} RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  file(REMOVE ${FILE})
  message(FATAL_ERROR "${PROGRAM} help ${FLAG}: exit code ${code}")
endif()
