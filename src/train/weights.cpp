#include "train/weights.h"

#include <cstring>

#include <normscope/core/error.h>

NORMSCOPE_BEGIN

Array::Type real_type() { return sizeof(real) == 8 ? Array::Type::f64 : Array::Type::f32; }

void copy_reals(const Array& from, real* to) {
  const auto copy = [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < from.numel(); ++i) {
      T value;
      std::memcpy(&value, from.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
      to[i] = static_cast<real>(value);
    }
  };
  if (from.type == Array::Type::f32)
    copy(float{});
  else if (from.type == Array::Type::f64)
    copy(double{});
  else
    throw UsageError("[checkpoint] an array of weights is not floating-point");
}

Array read_shaped(const ArrayFileReader& file, const std::string& name, const std::vector<std::int64_t>& shape) {
  Array array = file.read(name);
  if (array.shape != shape)
    throw UsageError(name + " has shape " + Shape(array.shape).str() + ", not " + Shape(shape).str());
  return array;
}

void write_weights(const Parameters& parameters, ArrayFileWriter& file) {
  for (const Parameter& p : parameters.all()) file.write("params/" + p.path, real_type(), p.shape.vector(), p.value());
  for (const Buffer& b : parameters.buffers())
    file.write("buffers/" + b.path, real_type(), b.value.shape().vector(), b.value.data());
}

void read_weights(const Parameters& parameters, const ArrayFileReader& file) {
  const auto read = [&](const std::string& group, const std::string& path, const Shape& shape, real* to) {
    if (!file.has(group + path))
      throw UsageError("the weights lack " + path + "; they were written with other model keys");
    const Array array = file.read(group + path);
    if (array.shape != shape.vector())
      throw UsageError("the weights' " + path + " has shape " + Shape(array.shape).str() + ", the model's " +
                       shape.str() + "; vocabulary or model keys differ");
    copy_reals(array, to);
  };
  for (const Parameter& p : parameters.all()) read("params/", p.path, p.shape, p.value());
  for (const Buffer& b : parameters.buffers()) read("buffers/", b.path, b.value.shape(), b.value.data());
}

void save_weights(const Parameters& parameters, const std::string& path) {
  ArrayFileWriter file(path);
  file.attribute("format", "normscope-weights");
  write_weights(parameters, file);
  file.commit();
}

void load_weights(const Parameters& parameters, const std::string& path) {
  read_weights(parameters, ArrayFileReader(path));
}

NORMSCOPE_END
