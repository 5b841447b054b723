// The tests of the numeric rooms run on each instruction set: NORMSCOPE_TEST_ISA counts down from the best, 0.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "machine/machine.h"

int main(int argc, char** argv) {
  using namespace normscope;
  testing::InitGoogleTest(&argc, argv);
  const char* isa = std::getenv("NORMSCOPE_TEST_ISA");
  const auto names = machine::isa_names();
  const std::size_t k = isa ? std::stoul(isa) : 0;
  if (k >= names.size()) {
    std::cout << "this processor has no more than " << names.size() << " instruction sets\n";
    return 77;  // ctest: skipped
  }
  std::cout << "instruction set " << names[k] << "\n";
  machine::use_isa(k);
  return RUN_ALL_TESTS();
}
