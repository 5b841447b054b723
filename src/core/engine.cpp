#include <normscope/engine.h>

#include <omp.h>

namespace normscope {

Engine::Engine(const EngineOptions& options)
    : threads_(options.threads > 0 ? options.threads : omp_get_num_procs()), gemm_(options.gemm) {
  // Our loops name their number of threads; libraries called outside of one (oneDNN's sgemm) get one thread, or they
  // would make a team of all cores behind our back.
  omp_set_num_threads(1);
}

GemmBackend gemm_backend(const std::string& name) {
  if (name == "onednn") return GemmBackend::onednn;
  if (name == "openblas") return GemmBackend::openblas;
  throw UsageError("gemm = \"" + name + "\" is unknown; there are: onednn, openblas");
}

const char* name_of(GemmBackend backend) { return backend == GemmBackend::onednn ? "onednn" : "openblas"; }

}  // namespace normscope
