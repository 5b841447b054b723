#pragma once
// Parameters and other arrays of real numbers in array files.
#include <normscope/train/weights.h>

#include "io/array_file.h"

NORMSCOPE_BEGIN

/// The type `real` has in files.
Array::Type real_type();
/// Copies an array of any float type into `to`.
void copy_reals(const Array& from, real* to);
/// An array of exactly this shape, so that a damaged file cannot write past a buffer. Raises UsageError.
Array read_shaped(const ArrayFileReader& file, const std::string& name, const std::vector<std::int64_t>& shape);
void write_weights(const Parameters& parameters, ArrayFileWriter& file);
void read_weights(const Parameters& parameters, const ArrayFileReader& file);

NORMSCOPE_END
