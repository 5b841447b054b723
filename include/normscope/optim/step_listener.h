#pragma once
// What may watch a training step.
#include <cstdint>

#include <normscope/autograd/variable.h>
#include <normscope/optim/optimizer.h>

NORMSCOPE_BEGIN

/// Told what happens in a step; named values of the forward pass come as to any Observer.
class StepListener : public Observer {
 public:
  virtual void start_step(std::int64_t /*step*/) {}
  /// After backward of all parts: the gradients lie in the parameters, unclipped.
  virtual void gradients(const GradientNorms& /*norms*/) {}
  /// After the update.
  virtual void updates(const UpdateNorms& /*norms*/) {}
};

NORMSCOPE_END
