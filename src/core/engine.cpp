#include <normscope/core/engine.h>

#include <iterator>
#include <utility>

#include "core/choices.h"

namespace normscope {

Engine::Engine(const EngineOptions& options)
    : pool_(options.dry),
      team_(options.threads > 0 ? options.threads : available_cores()),
      dry_(options.dry),
      gemm_(options.gemm) {}

const Engine::Workspace& Engine::workspace(std::size_t bytes_a_thread) {
  if (bytes_a_thread > workspace_.stride_) {
    pool_.release(std::exchange(workspace_.base_, nullptr));
    workspace_.stride_ = 0;
    const std::size_t stride = (bytes_a_thread + 4095) / 4096 * 4096 + 64;  // not a power of two apart
    workspace_.base_ = static_cast<std::byte*>(pool_.allocate(stride * static_cast<std::size_t>(team_.size())));
    workspace_.stride_ = stride;
  }
  return workspace_;
}

namespace {
constexpr const char* kBackends[] = {"highway", "onednn", "openblas"};  // in the order of GemmBackend
}

GemmBackend gemm_backend(const std::string& name) {
  for (std::size_t i = 0; i < std::size(kBackends); ++i)
    if (name == kBackends[i]) return static_cast<GemmBackend>(i);
  throw UsageError("gemm = \"" + name + "\" " + unknown_text(name, {std::begin(kBackends), std::end(kBackends)}));
}

const char* name_of(GemmBackend backend) { return kBackends[static_cast<std::size_t>(backend)]; }

}  // namespace normscope
