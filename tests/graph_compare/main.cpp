// Builds the graph of a model and compares it, node by node, with one that the engine recorded.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/model.hpp"
#include "support/recorded_graph.hpp"

using namespace llmsize;

Model load(const std::string& path, const TypeTable& types) {
  Model m;
  std::ifstream f(path);
  if (!f) {
    fmt::print("no {}\n", path);
    std::exit(1);
  }
  for (std::string line; std::getline(f, line);) {
    std::istringstream s(line);
    std::string kind, key;
    s >> kind >> key;
    if (kind == "A") m.architecture = key;
    if (kind == "V") {
      if (!m.hyperparameters.has("vocab_size"))
        m.hyperparameters.set("vocab_size", std::int64_t{std::stoll(key)});
    }
    if (kind == "I") {
      std::int64_t v;
      s >> v;
      m.hyperparameters.set(key, v);
    }
    if (kind == "D") {
      double v;
      s >> v;
      m.hyperparameters.set(key, v);
    }
    if (kind == "S") {
      std::string v;
      s >> v;
      m.hyperparameters.set(key, v);
    }
    if (kind == "L") {
      std::vector<std::int64_t> v;
      for (std::int64_t x; s >> x;) v.push_back(x);
      m.hyperparameters.set(key, v);
    }
    if (kind == "F") {
      std::vector<double> v;
      for (double x; s >> x;) v.push_back(x);
      m.hyperparameters.set(key, v);
    }
    if (kind == "T") {
      Tensor t;
      t.name = key;
      int ty;
      s >> ty;
      for (auto& d : t.dimensions) s >> d;
      t.type = *types.find(ty);
      m.tensors.push_back(t);
    }
  }
  return m;
}

std::string describe(const GraphTensor& t) {
  return fmt::format("{:<16} {:<24} type {} bytes {} [{} {} {} {}] strides [{} {} {} {}]{}{}",
                     operation_name(t.operation), t.name, t.type.id(), t.size, t.dimensions[0],
                     t.dimensions[1], t.dimensions[2], t.dimensions[3], t.strides[0], t.strides[1],
                     t.strides[2], t.strides[3], t.output ? " output" : "", t.input ? " input" : "");
}

int compare(const TensorGraph& ours, const TensorGraph& theirs, int show) {
  std::map<TensorId, TensorId> same;  // theirs -> ours
  const auto T = [&](TensorId i) -> const GraphTensor& {
    return theirs.tensors[static_cast<std::size_t>(i)];
  };
  const auto O = [&](TensorId i) -> const GraphTensor& { return ours.tensors[static_cast<std::size_t>(i)]; };
  const auto say = [&](std::size_t i, const char* what) {
    fmt::print("  node {}: {}\n", i, what);
    for (std::size_t j = i < static_cast<std::size_t>(show) ? 0 : i - static_cast<std::size_t>(show);
         j < i + 3; ++j) {
      fmt::print("  {} engine: {}\n", j == i ? ">" : " ",
                 j < theirs.nodes.size() ? describe(T(theirs.nodes[j])) : "-");
      if (j >= i)
        fmt::print("  {} ours:   {}\n", j == i ? ">" : " ",
                   j < ours.nodes.size() ? describe(O(ours.nodes[j])) : "-");
    }
    return 1;
  };
  for (std::size_t i = 0; i < std::max(ours.nodes.size(), theirs.nodes.size()); ++i) {
    if (i >= ours.nodes.size() || i >= theirs.nodes.size()) return say(i, "one graph ends");
    const auto& a = O(ours.nodes[i]);
    const auto& b = T(theirs.nodes[i]);
    same[theirs.nodes[i]] = ours.nodes[i];
    if (a.operation != b.operation) return say(i, "operation");
    if (a.type.id() != b.type.id() || a.size != b.size) return say(i, "type or size");
    if (a.dimensions != b.dimensions) return say(i, "dimensions");
    if (a.strides != b.strides && b.operation != Operation::set_rows) return say(i, "strides");
    if (a.output != b.output) return say(i, "output flag");
    if ((a.view_origin == no_tensor) != (b.view_origin == no_tensor)) return say(i, "view");
    std::vector<TensorId> sa, sb;
    for (auto s : a.sources)
      if (s != no_tensor && !(O(s).elsewhere)) sa.push_back(s);
    for (auto s : b.sources)
      if (s != no_tensor && !T(s).elsewhere &&
          !(T(s).view_origin != no_tensor && T(T(s).view_origin).elsewhere))
        sb.push_back(s);
    if (sa.size() != sb.size()) return say(i, "number of sources");
    for (std::size_t k = 0; k < sa.size(); ++k) {
      const auto known = same.find(sb[k]);
      if (known == same.end()) {
        same[sb[k]] = sa[k];
        if (O(sa[k]).size != T(sb[k]).size || O(sa[k]).input != T(sb[k]).input) {
          fmt::print("   source: engine {} ours {}\n", describe(T(sb[k])), describe(O(sa[k])));
          return say(i, "leaf source");
        }
      } else if (known->second != sa[k]) {
        fmt::print("   source {}: engine {} ours {}\n", k, describe(T(sb[k])), describe(O(sa[k])));
        return say(i, "source");
      }
    }
  }
  std::vector<TensorId> la, lb;
  for (auto l : ours.leafs)
    if (!O(l).elsewhere) la.push_back(l);
  for (auto l : theirs.leafs)
    if (!T(l).elsewhere) lb.push_back(l);
  for (std::size_t i = 0; i < std::max(la.size(), lb.size()); ++i)
    if (i >= la.size() || i >= lb.size() || O(la[i]).size != T(lb[i]).size) {
      fmt::print("  leaf {}: engine {} ours {}\n", i, i < lb.size() ? describe(T(lb[i])) : "-",
                 i < la.size() ? describe(O(la[i])) : "-");
      return 1;
    }
  return 0;
}

std::int64_t pad256(std::int64_t n) {
  return (n + 255) / 256 * 256;
}

ContextLayout stand_in(const Model& m, const Architecture& arch, const Run& r,
                       const std::map<std::string, std::string>& env) {
  if (!env.count("standin")) {
    auto layout = context_layout(m, arch, r);
    if (!layout) {
      fmt::print("layout: {}\n", layout.error().message);
      return {};
    }
    return *layout;
  }
  ContextLayout layout;
  const auto& h = m.hyperparameters;
  if (env.count("nocache")) return layout;
  std::int64_t widest = 0;
  for (int l = 0; l < h.main_layer_count(); ++l)
    widest = std::max(widest, h.value_length() * h.kv_head_count(l));
  auto n_swa = h.integer("attention.sliding_window").value_or(0);
  const int period = env.count("period") ? std::stoi(env.at("period")) : 0;
  const bool dense_first = env.count("densefirst");
  for (int l = 0; l < h.main_layer_count(); ++l) {
    AttentionCache c;
    if (h.kv_head_count(l) == 0) continue;
    c.key_width = h.key_length() * h.kv_head_count(l);
    c.value_width = r.flash_attention ? h.value_length() * h.kv_head_count(l) : widest;
    c.cells = r.sequence_context;
    c.streams = r.streams;
    c.key_type = r.cache_type_k;
    c.value_type = r.cache_type_v;
    bool swa = period > 0 && n_swa > 0 && (dense_first ? l % period != 0 : l % period < period - 1);
    if (const auto* list = h.list("attention.sliding_window_pattern"); env.count("swa") && list && n_swa > 0)
      swa = static_cast<std::size_t>(l) < list->size() && (*list)[static_cast<std::size_t>(l)] != 0;
    if (swa) {
      c.kind = AttentionCache::Kind::sliding_window;
      c.key_width = h.integer("attention.key_length_swa").value_or(h.key_length()) * h.kv_head_count(l);
      if (!r.swa_full)
        c.cells =
            pad256(std::min(r.sequence_context, n_swa * (r.kv_unified ? r.sequences : 1) + r.ubatch_tokens));
    }
    layout.push_back({l, c});
  }
  return layout;
}

int main(int argc, char** argv) {
  const auto catalog = catalog::Catalog::embedded();
  const auto types = catalog::load_tensor_types(catalog).value();
  int bad = 0;
  std::map<std::string, std::string> env;
  std::vector<std::string> names;
  std::vector<int> ks{1, 2, 3};
  std::string real;
  for (int i = 1; i < argc; ++i) {
    std::string a = argv[i];
    auto e = a.find('=');
    if (e != std::string::npos)
      env[a.substr(0, e)] = a.substr(e + 1);
    else
      names.push_back(a);
  }
  for (const auto& name : names) {
    const auto m = load(env.count("model") ? env["model"] : "/tmp/models/tiny-" + name + ".txt", types);
    const auto arch = catalog::load_architecture(catalog, m.architecture);
    if (!arch) {
      fmt::print("{}: {}\n", name, arch.error().message);
      ++bad;
      continue;
    }
    if (env.count("ctx")) {  // one size only
      Run r;
      const auto get = [&](const char* k, std::int64_t d) -> std::int64_t {
        return env.count(k) ? std::stoll(env[k]) : d;
      };
      r.context_tokens = r.padded_context = get("ctx", 0);
      r.sequences = get("seq", 1);
      r.kv_unified = get("unified", 1) != 0;
      r.streams = r.kv_unified ? 1 : r.sequences;
      r.sequence_context = r.kv_unified ? r.padded_context : pad256(r.padded_context / r.sequences);
      r.ubatch_tokens = get("ub", 512);
      r.prompt_tokens = std::min(r.ubatch_tokens, r.padded_context);
      r.output_rows = std::min(r.prompt_tokens, get("out", r.prompt_tokens));
      r.flash_attention = get("fa", 1) != 0;
      r.swa_full = get("swafull", 0) != 0;
      if (env.count("kv")) r.cache_type_k = r.cache_type_v = *types.find(env["kv"]);
      const auto layout = stand_in(m, *arch, r, env);
      const auto t0 = std::chrono::steady_clock::now();
      const auto s = compute_scratch(m, *arch, r, layout);
      const auto us =
          std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - t0)
              .count();
      if (!s) {
        fmt::print("{}\n", s.error().message);
        continue;
      }
      fmt::print("{} {} us\n", s->size.value(), us);
      continue;
    }
    for (int k : ks) {
      const auto path = fmt::format("/tmp/graphs/{}.{}.txt", name, k);
      const auto rec = test::read_recorded_graph(test::read_text(path));
      Run r;
      r.flash_attention = k != 2 && !env.count("nofa");
      r.sequences = k == 3 ? 4 : 1;
      r.context_tokens = r.padded_context = r.sequence_context = k == 3 ? 2048 : 1024;
      r.swa_full = true;
      r.ubatch_tokens = r.prompt_tokens = k == 3 ? 256 : 128;
      r.output_rows = k == 1 ? 1 : k == 2 ? 128 : 4;
      const auto layout = stand_in(m, *arch, r, env);
      const auto g = prompt_graph(m, *arch, r, layout);
      if (!g) {
        fmt::print("{}.{}: {}\n", name, k, g.error().message);
        ++bad;
        continue;
      }
      const auto size = reserve(*g).size.value();
      const bool exact = size == rec.reserved;
      const int d = compare(*g, rec.graph, env.count("show") ? std::stoi(env["show"]) : 2);
      fmt::print("{}.{}: {} engine {} ours {}{}\n", name, k, exact ? "EXACT" : "WRONG", rec.reserved, size,
                 d ? " (nodes differ)" : "");
      if (!exact || d) {
        ++bad;
        if (!env.count("all")) break;
      }
    }
  }
  return bad;
}
