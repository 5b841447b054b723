#pragma once
// NumPy's .npz: a zip of .npy arrays, as np.savez and np.savez_compressed write it.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace normscope {

struct NpzArray {
  std::string dtype;                ///< "float16", "float32", "float64", "int8" ... "uint64"
  std::vector<std::int64_t> shape;  ///< empty: a single number
  std::vector<double> values;       ///< row-major, whatever the order in the file
};

/// Every array of the file by name ("x", not "x.npy"). Numbers only, little-endian, .npy versions 1 to 3
/// (numpy.lib.format), C or Fortran order, stored or deflated. Raises UsageError, one sentence, when the file cannot be
/// read, a member is no such array (objects are refused), is damaged, or is larger than 4 GiB.
std::map<std::string, NpzArray> read_npz(const std::string& path);

/// One .npy file's bytes. Raises Error with the reason alone.
NpzArray parse_npy(const std::string& bytes);

}  // namespace normscope
