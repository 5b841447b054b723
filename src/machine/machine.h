#pragma once
// Facts of this machine and of the libraries that compute.
#include <cstddef>
#include <string>
#include <vector>

namespace normscope::machine {

/// Name of the instruction set that the kernels run on ("AVX3").
const char* isa_name();
/// All that this build has and the processor runs, best first; use_isa(k) has both precisions' kernels run on the k-th
/// from now on (tests).
std::vector<std::string> isa_names();
void use_isa(std::size_t k);
/// The processor's model name, never the host's name.
std::string cpu_model();
/// OpenBLAS's kernel ("Cooperlake").
const char* openblas_core();
/// Is it OpenBLAS's pthread build, whose waiting threads spin beside ours?
bool openblas_spins();
std::string onednn_version();

}  // namespace normscope::machine
