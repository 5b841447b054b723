#pragma once
// The ops that gradcheck tries, with the inputs they are tried on.
#include <functional>
#include <string>
#include <vector>

#include <normscope/ops/ops.h>

NORMSCOPE_BEGIN

/// Where an op is smooth: everywhere, for positive numbers, or away from zero.
enum class Domain { any, positive, nonzero };

struct OpCase {
  std::string name;
  std::vector<Shape> inputs;
  std::function<Variable(const std::vector<Variable>&)> run;
  Domain domain = Domain::any;
  double largest_scale = 1e3;  ///< of the inputs
  bool offset = true;          ///< also tried around 100
};

std::vector<OpCase> op_cases(Engine& engine);

NORMSCOPE_END
