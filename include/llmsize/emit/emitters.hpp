#pragma once
#include <string>
#include <vector>

#include "llmsize/core/serving.hpp"

namespace llmsize::emit {

/// One file of a configuration.
struct EmittedFile {
  std::string name;  ///< "serve.sh"; of a fleet's class "CLASS/serve.sh".
  std::string content;
  bool executable = false;
};

/// A format that plans can be written in.
struct Emitter {
  const char* id;       ///< What --emit takes.
  const char* summary;  ///< For the help page.
  std::vector<EmittedFile> (*emit)(const FleetDeployment& fleet);
};

/// Every format. A new one is a source with its function and a line in registry.cpp.
const std::vector<Emitter>& emitters();

// The formats that configure one host, one source each: a fleet gets a folder for each of its classes.
std::vector<EmittedFile> emit_json(const Deployment& deployment);
std::vector<EmittedFile> emit_shell(const Deployment& deployment);
std::vector<EmittedFile> emit_llama_swap(const Deployment& deployment);
std::vector<EmittedFile> emit_llama_server(const Deployment& deployment);
std::vector<EmittedFile> emit_systemd(const Deployment& deployment);
std::vector<EmittedFile> emit_compose(const Deployment& deployment);

// The formats that span hosts.
std::vector<EmittedFile> emit_kubernetes(const FleetDeployment& fleet);
std::vector<EmittedFile> emit_slurm(const FleetDeployment& fleet);
std::vector<EmittedFile> emit_litellm(const FleetDeployment& fleet);

/// For stdout: one file as it is, several each under a comment line with its name.
std::string joined(const std::vector<EmittedFile>& files);

}  // namespace llmsize::emit
