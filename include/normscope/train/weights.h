#pragma once
// A model's parameters in a file: checkpoints, dumps, and what save_weights() writes.
#include <string>

#include <normscope/nn/parameters.h>

NORMSCOPE_BEGIN

/// Writes every parameter to an HDF5 file, as params/PATH, and every buffer, as buffers/PATH. Raises Error when it
/// cannot be written.
void save_weights(const Parameters& parameters, const std::string& path);
/// Sets every parameter and buffer from a file of save_weights(), a checkpoint or a dump. Raises UsageError naming the
/// first path that is missing or has another shape.
void load_weights(const Parameters& parameters, const std::string& path);

NORMSCOPE_END
