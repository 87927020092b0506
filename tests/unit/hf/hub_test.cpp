#include <catch2/catch.hpp>

#include "llmsize/hf/http_text.hpp"
#include "llmsize/hf/repository.hpp"

using namespace llmsize;

TEST_CASE("a content range is taken only whole and within its length") {
  const auto range = hf::parse_content_range("bytes 5-99/1234");
  REQUIRE(range.has_value());
  CHECK(range->range == ByteRange{5, 99});
  CHECK(range->total == 1234);
  for (const char* wrong :
       {"", "bytes", "bytes 5-99", "bytes 5-99/*", "bytes 99-5/1234", "bytes 5-99/99", "bytes 5-99/1234 ",
        "bits 5-99/1234", "bytes -5-99/1234", "bytes 5-99/99999999999999999999", "bytes */1234"})
    CHECK_FALSE(hf::parse_content_range(wrong).has_value());
}

TEST_CASE("the token's host is compared by scheme, name and port") {
  CHECK(hf::origin_of("https://HuggingFace.co/a/b") == "https://huggingface.co");
  CHECK(hf::origin_of("http://127.0.0.1:8000?x") == "http://127.0.0.1:8000");
  CHECK(hf::origin_of("https://huggingface.co.evil.example/") != hf::origin_of("https://huggingface.co/"));
  CHECK(hf::origin_of("https://huggingface.co@evil.example/").empty());
  CHECK(hf::origin_of("file:///etc/passwd").empty());
  CHECK(hf::origin_of("https://").empty());
  CHECK(hf::origin_of("nothing").empty());
}

TEST_CASE("redirects lead to addresses or absolute paths only") {
  CHECK(hf::redirect_target("https://hub.example/a", "https://cdn.example/b?c=d") ==
        "https://cdn.example/b?c=d");
  CHECK(hf::redirect_target("https://hub.example/a", "/b") == "https://hub.example/b");
  for (const char* wrong :
       {"", "b", "//evil.example/b", "file:///b", "ftp://x/b", "https://x/a b", "https://x/\r\nHost: y"})
    CHECK(hf::redirect_target("https://hub.example/a", wrong).empty());
}

TEST_CASE("paths are escaped and retry pauses read") {
  CHECK(hf::escape_path("a/b c#d?e%.gguf") == "a/b%20c%23d%3Fe%25.gguf");
  CHECK(hf::parse_retry_after("12") == 12.0);
  CHECK_FALSE(hf::parse_retry_after("Wed, 21 Oct 2026 07:28:00 GMT").has_value());
}

TEST_CASE("a remote name is taken apart") {
  const auto name = hf::parse_repository_name("hf:unsloth/Qwen3-8B-GGUF@abc123:UD-Q4_K_XL");
  REQUIRE(name.has_value());
  CHECK(name->id == "unsloth/Qwen3-8B-GGUF");
  CHECK(name->revision == "abc123");
  CHECK(name->quant == "UD-Q4_K_XL");
  CHECK(hf::parse_repository_name("hf:a/b")->revision == "main");
  for (const char* wrong : {"hf:", "hf:a", "hf:a/", "hf:/b", "hf:a/b/c", "hf:a/..", "hf:a/b@", "hf:a/b@../x",
                            "hf:a b/c", "hf:a/b:../c"})
    CHECK_FALSE(hf::parse_repository_name(wrong).has_value());
}

TEST_CASE("a listing's unsafe paths are left out") {
  const auto repository =
      hf::parse_repository(R"({"sha": "c0ffee", "siblings": [{"rfilename": "a.gguf", "size": 12},
    {"rfilename": "../../b.gguf"}, {"rfilename": "/c.gguf"}, {"rfilename": "d/./e.gguf"}, {"rfilename": 5}, 7,
    {"rfilename": "f/g.gguf", "size": -1}]})");
  REQUIRE(repository.has_value());
  CHECK(repository->commit == "c0ffee");
  REQUIRE(repository->files.size() == 2);
  CHECK(repository->files[0].size == Bytes(12));
  CHECK(repository->files[1].path == "f/g.gguf");
  CHECK_FALSE(repository->files[1].size.has_value());
  for (const char* wrong :
       {"", "[]", "{}", R"({"sha": "../x", "siblings": []})", R"({"sha": "a", "siblings": {}})"})
    CHECK_FALSE(hf::parse_repository(wrong).has_value());
}

TEST_CASE("a quant is found by name among a repository's files") {
  std::vector<hf::RepositoryFile> files;
  for (const char* path : {"mmproj-F16.gguf", "M-UD-Q4_K_M.gguf", "M-Q4_K_M.gguf", "M-Q4_K_S.gguf",
                           "Q8_0/M-Q8_0-00002-of-00002.gguf", "Q8_0/M-Q8_0-00001-of-00002.gguf",
                           "M-IQ4_XS.gguf", "imatrix.gguf", "README.md"})
    files.push_back({path, std::nullopt});
  const auto choose = [&](const char* quant) {
    return hf::choose_gguf(files, quant, "hf:a/b").value().value();
  };
  CHECK(choose("") == "M-Q4_K_M.gguf");
  CHECK(choose("q4_k_m") == "M-Q4_K_M.gguf");
  CHECK(choose("UD-Q4_K_M") == "M-UD-Q4_K_M.gguf");
  CHECK(choose("Q8_0") == "Q8_0/M-Q8_0-00001-of-00002.gguf");
  CHECK(choose("M-IQ4_XS.gguf") == "M-IQ4_XS.gguf");
  // Q4_K names no file: Q4_K_M and Q4_K_S are other types.
  CHECK_FALSE(hf::choose_gguf(files, "Q4_K", "hf:a/b").has_value());
  CHECK_FALSE(hf::choose_gguf({{"README.md", std::nullopt}}, "Q8_0", "hf:a/b").value().has_value());
}
