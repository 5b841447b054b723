#pragma once
// The library in reading order. real is float; with NORMSCOPE_FLOAT64 (CMake target normscope::f64) it is double.
#include <normscope/core/engine.h>
#include <normscope/core/tensor.h>

#include <normscope/autograd/gradcheck.h>
#include <normscope/autograd/variable.h>

#include <normscope/ops/ops.h>

#include <normscope/norms/norm.h>
#include <normscope/norms/packed_norm.h>

#include <normscope/nn/layers.h>
#include <normscope/nn/placement.h>

#include <normscope/models/model.h>

#include <normscope/data/corpus.h>
#include <normscope/train/evaluate.h>
#include <normscope/train/generate.h>
#include <normscope/train/train_step.h>
#include <normscope/train/weights.h>
