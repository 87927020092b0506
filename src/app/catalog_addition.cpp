#include "llmsize/app/catalog_addition.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/catalog_folders.hpp"
#include "llmsize/app/find_model.hpp"
#include "llmsize/catalog/model_entry.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

using Json = nlohmann::ordered_json;

/// The model's id from its name or file: letters, digits and "._-", in lower case.
std::string id_from(const Model& model) {
  std::string text = model.name.empty() || model.name == "n/a" ? model.id : model.name;
  std::string id;
  for (const char c : lower_case(text)) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    id += kept ? c : '-';
  }
  return id;
}

/// One text as a catalog folder.
class OneFile final : public FileReader {
 public:
  explicit OneFile(const std::string& text) : text_(text) {}
  Result<std::string> read_text(const std::string&, Bytes) const override { return text_; }
  Result<std::vector<std::string>> list(const std::string&) const override {
    return std::vector<std::string>{"entry.json"};
  }
  Result<std::string> read_link(const std::string& path) const override {
    return fail(ErrorCode::not_found, path);
  }
  [[nodiscard]] bool exists(const std::string&) const override { return true; }
  [[nodiscard]] bool is_folder(const std::string&) const override { return false; }
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const override {
    return fail(ErrorCode::not_found, path);
  }

 private:
  const std::string& text_;
};

std::map<std::string, std::array<std::int64_t, 4>> shapes_of(const Model& model) {
  std::map<std::string, std::array<std::int64_t, 4>> shapes;
  for (const auto& tensor : model.tensors) shapes.emplace(tensor.name, tensor.dimensions);
  return shapes;
}

/// Reads the entry as any later command will, and compares.
Result<void> check(const Services& services, const std::string& text, const std::string& id,
                   const Model& model) {
  catalog::Catalog layered = services.catalog;
  layered.add_layer(OneFile(text), "the new entry");
  const auto entry = layered.find("model", id);
  if (!entry || entry->location.layer == "embedded")
    return fail(ErrorCode::internal, fmt::format("the entry for {} cannot be read back", id),
                layered.problems().empty() ? "" : layered.problems().back().message);
  const auto again = catalog::load_model(layered, *entry);
  if (!again) return tl::unexpected(again.error());
  if (shapes_of(*again) != shapes_of(model))
    return fail(ErrorCode::internal, fmt::format("the entry for {} would give other tensors", id));
  return {};
}

}  // namespace

Result<Outcome> add_to_catalog(const Services& services, const CatalogOptions& options) {
  if (options.words.size() != 2)
    return fail(ErrorCode::usage, "add needs one model",
                "For example: llmsize catalog add model.gguf, or llmsize catalog add hf:Qwen/Qwen3-8B.");
  const std::string& name = options.words[1];
  std::string quant;
  const auto model = find_model(services, name, quant);
  if (!model) return tl::unexpected(model.error());
  if (model->source == ModelSource::catalog)
    return fail(ErrorCode::usage, fmt::format("{} is in the catalog already, as {}", name, model->id),
                "Name a file, a folder with a config.json, or an hf: or ollama: name (./NAME for a file of "
                "that name).");
  const std::string id = options.id.empty() ? id_from(*model) : options.id;
  const auto text = catalog::model_entry(services.catalog, *model, id, options.as_of);
  if (!text) return tl::unexpected(text.error());
  if (auto checked = check(services, *text, id, *model); !checked) return tl::unexpected(checked.error());
  const std::string folder = user_catalog_folders(services.environment).back();
  if (const auto made = services.writer.make_folders(folder); !made) return tl::unexpected(made.error());
  const std::string target = folder + "/" + id + ".json";
  if (const auto written = services.writer.write_whole(target, *text); !written)
    return tl::unexpected(written.error());
  if (options.json) {
    const Json document = {{"schema", "llmsize.catalog/1"}, {"added", id}, {"file", target}};
    return Outcome{document.dump(2) + '\n'};
  }
  return Outcome{fmt::format(
      "{} is in the catalog as {}: llmsize estimate -m {} sizes it without the file.\n", name, target, id)};
}

}  // namespace llmsize::app
